"""The one way in which a verifier of this package fails."""

from __future__ import annotations


class VerificationError(Exception):
    """Something is malformed or does not verify; the message says in a sentence what."""
