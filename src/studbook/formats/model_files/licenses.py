"""Licenses as the Hugging Face Hub and people name them, as SPDX expressions (SPDX specification 2.3, annex D)."""

from __future__ import annotations

import re
from typing import Final

# https://huggingface.co/docs/hub/repositories-licenses lists the identifiers; those that SPDX has are mapped here.
_NAMES: Final = """
    Apache-2.0 MIT AFL-3.0 Artistic-2.0 BSL-1.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear CC0-1.0 CC-BY-2.0 CC-BY-2.5
    CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-ND-4.0 CC-BY-NC-ND-3.0
    CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CDLA-Sharing-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0
    WTFPL ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 ISC LPPL-1.3c MS-PL MPL-2.0 ODbL-1.0 PDDL-1.0 OFL-1.1 OSL-3.0 PostgreSQL
    NCSA Unlicense Zlib 0BSD ODC-By-1.0 Intel AGPL-3.0-only AGPL-3.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only
    GPL-3.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later Python-2.0 W3C
"""
_SPDX: Final = {name.lower(): name for name in _NAMES.split()}
# Names that do not say whether later versions hold too are read as if only this one did: the narrower promise.
_OTHERS: Final = {
    "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0", "apache-2": "Apache-2.0", "apache2": "Apache-2.0",
    "mit license": "MIT", "agpl-3.0": "AGPL-3.0-only", "gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only", "lgpl-3.0": "LGPL-3.0-only", "odbl": "ODbL-1.0", "odc-by": "ODC-By-1.0",
    "pddl": "PDDL-1.0", "lppl-1.3": "LPPL-1.3c", "cc": "LicenseRef-cc", "cc-by": "LicenseRef-cc-by",
}  # fmt: skip
_UNFIT: Final = re.compile(r"[^A-Za-z0-9.-]+")
_EXPRESSION: Final = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)+")


def to_spdx(name: str) -> str:
    """The license as an SPDX expression; `LicenseRef-…` where SPDX has none, of at most 256 characters."""
    text = " ".join(name.split())
    known = _SPDX.get(text.lower()) or _OTHERS.get(text.lower())
    if known:
        return known
    if _EXPRESSION.fullmatch(text) or text.startswith("LicenseRef-"):
        return text[:256]
    return f"LicenseRef-{_UNFIT.sub('-', text).strip('-')[:200] or 'unnamed'}"


def same_license(one: str, other: str) -> bool:
    """Whether two names mean the same license, as far as can be known."""
    return to_spdx(one).lower() == to_spdx(other).lower()
