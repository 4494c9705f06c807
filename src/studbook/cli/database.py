"""`studbook db …`: the registry's database and its schema."""

from __future__ import annotations

from dataclasses import asdict

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.options import AsJson, new_app
from studbook.cli.server_part import database_faults, examine, load_settings
from studbook.cli.sheet import Sheet

app = new_app("Look after the registry's database.")


@app.command("upgrade")
def upgrade(*, as_json: AsJson = False) -> None:
    """Bring the database to the newest schema, making it if need be; servers do so at their start, too."""
    settings = load_settings()
    before = examine(settings)
    with database_faults():
        from studbook.services.registry import open_registry

        open_registry(settings.database(), pool_size=1).close()
    after = examine(settings)
    if as_json:
        screen.write_json({"database": after.url, "from": before.revision, "to": after.revision})
    elif before.is_current:
        screen.confirm(f"{after.url} is already at schema {after.revision}")
    else:
        screen.confirm(f"{after.url} is now at schema {after.revision}")


@app.command("status")
def status(*, as_json: AsJson = False) -> None:
    """Say which database is used, and whether its schema is current and it can be written; exit code 1 if not."""
    state = examine(load_settings())
    ready = state.is_current and state.fault is None
    if as_json:
        values = asdict(state)
        screen.write_json({"database": values.pop("url"), **values, "current": state.is_current, "ready": ready})
    else:
        sheet = Sheet(state.url, *(["ready"] if ready else []))
        newest = "the newest" if state.is_current else f"the newest is {state.head}: run `studbook db upgrade`"
        sheet.fact("schema", f"{state.revision} ({newest})" if state.revision else None)
        sheet.fact(
            "state",
            "there is no database yet; `studbook db upgrade` or `studbook serve` makes it" if not state.revision else None,
        )
        sheet.fact("writing", state.fault or ("works" if ready else None))
        sheet.print()
    if not ready:
        raise typer.Exit(Exit.REFUSED)
