"""`studbook namespace …`: tenants, each with records and a log of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from studbook.cli import screen
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.server_part import opened_database

app = new_app("Make a namespace: a tenant with a log of its own.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant's name, such as a team's.")]


@app.command("list")
def list_namespaces(*, as_json: AsJson = False) -> None:
    """List the namespaces of the database, each with the name of its log."""
    with opened_database() as registry:
        from studbook.storage import log

        with registry.database.read() as connection:
            logs = [(row.namespace, row.origin, row.size) for row in log.list_logs(connection) if row.status == "open"]
    if as_json:
        screen.write_json({"items": [{"namespace": name, "log": origin, "entries": size} for name, origin, size in logs]})
        return
    table = screen.columns("namespace", "log", "entries", right=["entries"])
    for name, origin, size in logs:
        table.add_row(screen.styled(name, screen.NAME), screen.styled(origin), f"{size:,}")
    screen.print_table(table, none="There is no namespace yet; `studbook serve` makes the first.")


@app.command("create")
def create(name: _Name, *, as_json: AsJson = False) -> None:
    """Make a namespace in the database itself, and print the secret of its first admin token."""
    with opened_database() as registry:
        from studbook.domain.errors import StudbookError
        from studbook.services.namespaces import create_namespace

        try:
            secret = create_namespace(registry, name)
        except StudbookError as error:
            raise CommandError(str(error)) from error
    if as_json:
        screen.write_json({"namespace": name, "token": secret})
        return
    screen.notices().print(screen.line(("✓ ", screen.GOOD), (name, screen.NAME), "  its first admin token, shown only now:"))
    screen.output().print(secret, soft_wrap=True)
