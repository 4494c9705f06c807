"""The page that verifies a bundle in a browser, put together from its parts, and the text that goes with it.

The result is one file that loads nothing: its style and its script stand in it, and a Content-Security-Policy names both by their
digests and forbids everything else.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

# In the order in which they stand in the page: each uses only what stands above it.
SCRIPTS: Final = (
    "bytes.js",
    "zip.js",
    "json.js",
    "notes.js",
    "policy.js",
    "tree.js",
    "bundle.js",
    "entries.js",
    "values.js",
    "histories.js",
    "snapshot.js",
    "verify.js",
    "changes.js",
    "view.js",
    "start.js",
)


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _policy_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def verify_page() -> bytes:
    """The page, as HTML."""
    style = "\n" + _part("style.css")
    script = '\n"use strict";\n(() => {\n' + "\n".join(_part(name) for name in SCRIPTS) + "})();\n"
    page = _part("skeleton.html")
    for mark, text in {
        "@script-source@": _policy_source(script),
        "@style-source@": _policy_source(style),
        "@style@": style,
        "@script@": script,
    }.items():
        page = page.replace(mark, text)
    return page.encode()


@cache
def readme() -> bytes:
    """What a bundle is and how it is checked, as plain text."""
    return _part("README.txt").encode()
