"""The one way in which this package fails."""

from __future__ import annotations


class SigningError(Exception):
    """A folder, key, certificate or bundle is malformed or does not verify; the message says in a sentence what."""
