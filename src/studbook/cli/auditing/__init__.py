"""`studbook audit …`: verify the log, read it, take evidence out of it, look after it."""

from __future__ import annotations

from studbook.cli.auditing import care, events, operating, taking, verifying
from studbook.cli.options import new_app

app = new_app("Verify the audit log, read it, take evidence out of it, look after it.")
app.command("verify")(verifying.verify)
app.command("fsck")(operating.fsck)
app.command("events")(events.list_events)
app.command("receipt")(taking.receipt)
app.command("export")(taking.export)
app.command("bundle")(taking.bundle)
app.command("snapshot")(care.snapshot)
app.command("erase")(care.erase)
app.command("freeze")(care.freeze)
app.command("purge")(care.purge)
app.command("recover")(operating.recover)
app.add_typer(care.keys, name="keys")
app.add_typer(care.holds, name="hold")
app.add_typer(care.retention, name="retention")
