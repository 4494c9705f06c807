"""Masks what looks like a secret, in command lines, addresses and error messages.

A record cannot be edited once it is written, so this masks rather too much than too little.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"
_WORDS: Final = (
    "token", "password", "passwd", "passphrase", "pass", "pwd", "secret", "secrets", "key", "credential", "credentials",
    "auth", "authorization", "bearer", "cookie",
)  # fmt: skip
_COMPOUNDS: Final = ("token", "password", "passwd", "passphrase", "secret", "key", "credential", "credentials")
_NAME_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ASSIGNMENT: Final = re.compile(r"(?P<dashes>[-+~/]*)(?P<name>[A-Za-z][\w.\-/\[\]]*)(?P<sign>[=:])(?P<value>.+)", re.DOTALL)
_FLAG: Final = re.compile(r"--?(?P<name>[A-Za-z][\w.\-]*)")
_URL_USER: Final = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.\-]*://)[^\s/@'\"]+@")
_NAMED: Final = re.compile(
    r"(?P<name>[\w\-]*(?:token|passwd|password|passphrase|secret|api[_\-]?key|access[_\-]?key|credentials?|authorization))"
    r"(?P<sign>[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)(?P<value>[^\s\"'&,;]+)",
    re.IGNORECASE,
)
# Forms by which well-known services make their tokens recognisable.
_KNOWN: Final = re.compile(
    r"\b(?:sbk_\w{8,}|hf_\w{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|sk-[\w\-]{16,}|xox[abprs]-[\w\-]{8,}"
    r"|A[KS]IA[0-9A-Z]{16}|AIza[\w\-]{30,}|dapi[0-9a-f]{32}|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]+)"
)


def mask_text(text: str) -> str:
    """Running text (an error message) without the secrets in it that can be recognised."""
    text = _URL_USER.sub(rf"\g<scheme>{MASK}@", text)
    text = _KNOWN.sub(MASK, text)
    return _NAMED.sub(rf"\g<name>\g<sign>{MASK}", text)


def mask_arguments(arguments: Iterable[str]) -> list[str]:
    """A command's arguments without secrets.

    Masked are the values of flags and assignments that are named like a secret (`--api-key X`, `db.password=X`),
    code given with `-c`, the user in a URL, and tokens of well-known forms.
    """
    masked: list[str] = []
    secret_follows = code_follows = False
    for argument in arguments:
        flag = _FLAG.fullmatch(argument)
        if code_follows:
            masked.append("<code>")
        elif secret_follows and not argument.startswith("--"):
            masked.append(MASK)
        elif (match := _ASSIGNMENT.fullmatch(argument)) and is_secret_name(match["name"]):
            masked.append(f"{match['dashes']}{match['name']}{match['sign']}{MASK}")
        else:
            masked.append(mask_text(argument))
        code_follows = argument == "-c"
        secret_follows = flag is not None and is_secret_name(flag["name"])
    return masked


def is_secret_name(name: str) -> bool:
    """Whether something of that name holds a secret: `hf_token`, `apiKey`, `db.password`; not `tokenizer`, `max-tokens`."""
    parts = [part.lower() for part in _NAME_PARTS.findall(name)]
    return any(part in _WORDS or part.endswith(_COMPOUNDS) for part in parts)


def strip_credentials(url: str) -> str:
    """A remote repository's URL without user, password, query and fragment (the user of an ssh address stays)."""
    if "://" not in url:
        # `git@host:path`, or a path: neither can hold a password.
        return url
    try:
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
    except ValueError:
        return mask_text(url)
    if user and parts.scheme in {"ssh", "git+ssh", "ssh+git"}:
        host = f"{user.partition(':')[0]}@{host}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
