"""API tokens: `sbk_` + kind + 30 random characters + checksum.

The checksum (CRC-32 in base 62, as GitHub's tokens carry it) lets a scanner or a client reject a typing error
without asking a database. Only the SHA-256 of a token is stored: its 178 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TOKEN = re.compile(r"sbk_[a-z]{3}_[0-9A-Za-z]{36}")
_RANDOM_LENGTH: Final = 30
_CHECKSUM_LENGTH: Final = 6


def make_token(kind: str = "api") -> str:
    """A new secret token, 44 characters long."""
    body = f"sbk_{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def is_token(text: str) -> bool:
    """Whether the text has a token's form and its checksum fits."""
    return bool(_TOKEN.fullmatch(text)) and text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def token_hash(token: str) -> bytes:
    """The 32 bytes under which a token is stored."""
    return hashlib.sha256(token.encode()).digest()


def token_hint(token: str) -> str:
    """The first characters, by which a person tells tokens apart in a list."""
    return token[:12]


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
