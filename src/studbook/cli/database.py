"""`studbook db …`: the registry's database and its schema."""

from __future__ import annotations

from dataclasses import asdict

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.server_part import caller_of, database_faults, examine, load_settings, opened_database
from studbook.cli.session import session_of
from studbook.cli.sheet import Sheet
from studbook.cli.text import plural

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


@app.command("rebuild")
def rebuild(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Rebuild the tables of a namespace's records from its audit log: what differs is mended, what is lost comes back.

    Metric series are left as they are: their points stand in no entry.
    """
    with opened_database() as registry:
        from studbook.domain.errors import StudbookError
        from studbook.services.audit.rebuilding import rebuild as rebuild_tables

        caller = caller_of(registry, session_of(context).namespace)
        try:
            mended = registry.database.work.run(lambda transaction: rebuild_tables(transaction, caller.namespace_id))
        except StudbookError as error:
            raise CommandError(f"nothing was changed: {error}") from error
    if as_json:
        screen.write_json({"namespace": caller.namespace, "mended": mended})
    else:
        words = f"{plural(mended, 'record')} mended" if mended else "every record is as the log says"
        screen.confirm((caller.namespace, screen.NAME), f"  {words}")


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
