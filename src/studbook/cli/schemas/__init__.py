"""`studbook schema …`: what versions must say, and where it is kept."""

from __future__ import annotations

from studbook.cli.options import new_app
from studbook.cli.schemas import changing, explaining, looking, trying

app = new_app("Say what versions must hold, and where it is kept.")
app.command("list")(looking.list_schemas)
app.command("show")(looking.show)
app.command("infer")(looking.infer)
app.command("draft")(changing.draft)
app.command("publish")(changing.publish)
app.command("deprecate")(changing.deprecate)
app.command("adopt")(changing.adopt)
app.command("require")(changing.require)
app.command("test")(trying.try_document)
app.command("check")(trying.check)
app.command("explain")(explaining.explain)
