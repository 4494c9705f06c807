"""Signed notes and verifier keys (c2sp.org/signed-note), with the two kinds of cosignature (c2sp.org/tlog-cosignature)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from studbook.merkle.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTE_LIMIT: Final = 1_000_000
SIGNATURE_LIMIT: Final = 100
_KEY_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_DASH: Final = "— "


class Algorithm(IntEnum):
    """The signature types of signed notes that are understood here."""

    ED25519 = 1
    COSIGNATURE_ED25519 = 4
    ML_DSA_44 = 6


_KEY_BYTES: Final = {Algorithm.ED25519: 32, Algorithm.COSIGNATURE_ED25519: 32, Algorithm.ML_DSA_44: 1312}


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the key's name and id (4 bytes), and the signature's own bytes."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line without its line break."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a line break, and the signatures under it."""

    text: bytes
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note as it is sent."""
        return self.text + b"\n" + "".join(signature.line + "\n" for signature in self.signatures).encode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name of whoever signs with it (a "vkey")."""

    name: str
    algorithm: Algorithm
    key: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, line break, type, key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:_KEY_ID_BYTES]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over type and key in hexadecimal digits, for people to compare."""
        return hashlib.sha256(self._typed).hexdigest()

    @property
    def _typed(self) -> bytes:
        return bytes([self.algorithm]) + self.key

    def __str__(self) -> str:
        """The key as text: name, key id, type and key."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self._typed).decode()}"

    def verify(self, text: bytes, signature: bytes) -> None:
        """Check a signature over a note's text.

        Raises VerificationError.
        """
        try:
            self._verify(text, signature)
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(f"the signature of {self.name} does not verify") from error

    def _verify(self, text: bytes, signature: bytes) -> None:
        if self.algorithm is Algorithm.ED25519:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
            return
        time, value = int.from_bytes(signature[:_TIME_BYTES], "big"), signature[_TIME_BYTES:]
        if self.algorithm is Algorithm.COSIGNATURE_ED25519:
            Ed25519PublicKey.from_public_bytes(self.key).verify(value, cosigned_text(text, time))
        else:
            MLDSA44PublicKey.from_public_bytes(self.key).verify(value, subtree_message(self.name, text, time))


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key.

    Raises VerificationError for one that is malformed or of an unknown type.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004 - name, id, key
        raise VerificationError("a verifier key is NAME+ID+KEY")
    name, key_id, encoded = parts
    _check_name(name)
    typed = decode_base64(encoded, "the verifier key")
    try:
        algorithm = Algorithm(typed[0])
    except (ValueError, IndexError):
        raise VerificationError("the verifier key is of an algorithm that is not known here") from None
    if len(typed) != 1 + _KEY_BYTES[algorithm]:
        raise VerificationError("the verifier key has not the length of its algorithm")
    key = VerifierKey(name, algorithm, typed[1:])
    if key.key_id.hex() != key_id:
        raise VerificationError("the verifier key's id is not that of its name and key")
    return key


def parse_note(data: bytes) -> Note:
    """Read a signed note; nothing is verified.

    Raises VerificationError.
    """
    if len(data) > NOTE_LIMIT:
        raise VerificationError("the note is too large")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise VerificationError("the note is not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise VerificationError("the note holds control characters")
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise VerificationError("the note has no signatures: a blank line and signature lines are expected at its end")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURE_LIMIT:
        raise VerificationError("the note has too many signatures")
    return Note((text + "\n").encode(), tuple(_parse_signature(line) for line in lines))


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise VerificationError("a signature line is '— NAME SIGNATURE'")
    _check_name(name)
    value = decode_base64(encoded, "a signature")
    if len(value) <= _KEY_ID_BYTES:
        raise VerificationError("a signature is too short")
    return Signature(name, value[:_KEY_ID_BYTES], value[_KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    # A lone surrogate (category Cs), as in an argument that was not UTF-8, has no bytes that could be hashed or signed.
    if not name or "+" in name or any(char.isspace() or unicodedata.category(char) in {"Zs", "Cs"} for char in name):
        raise VerificationError("a key's name is not empty and holds neither spaces nor '+'")


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 in its one canonical form.

    Raises VerificationError.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError(f"{what} is not base64") from None
    if base64.b64encode(value).decode() != text:
        raise VerificationError(f"{what} is not base64 in canonical form")
    return value


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note, and the known keys whose signatures under it verify."""

    note: Note
    verified: tuple[VerifierKey, ...]


def open_note(data: bytes, keys: Sequence[VerifierKey]) -> OpenedNote:
    """Read a note and verify it with known keys; signatures of unknown keys are passed over.

    Raises VerificationError when a known key's signature is wrong, or none is there.
    """
    note = parse_note(data)
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifierKey, None] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            key.verify(note.text, signature.value)
            verified[key] = None
    if not verified:
        raise VerificationError("no known key has signed the note")
    return OpenedNote(note, tuple(verified))


class _Ed25519:
    """A private Ed25519 key with its name."""

    algorithm = Algorithm.ED25519

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        _check_name(name)
        self._private_key = private_key
        self.verifier_key = VerifierKey(name, self.algorithm, private_key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> Self:
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, name: str, data: bytes) -> Self:
        """The key of an unencrypted PKCS #8 file.

        Raises VerificationError.
        """
        try:
            private_key = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise VerificationError("the key file is no unencrypted PEM file (PKCS #8)") from error
        if not isinstance(private_key, Ed25519PrivateKey):
            raise VerificationError("the key file holds no Ed25519 key")
        return cls(name, private_key)

    def to_pem(self) -> bytes:
        """The key as an unencrypted PKCS #8 file."""
        return _pem(self._private_key)


class Ed25519Signer(_Ed25519):
    """Signs notes as a log does."""

    def sign(self, text: bytes) -> Signature:
        """The signature over a note's text."""
        return Signature(self.verifier_key.name, self.verifier_key.key_id, self._private_key.sign(text))


class Ed25519Cosigner(_Ed25519):
    """Cosigns checkpoints as a witness does."""

    algorithm = Algorithm.COSIGNATURE_ED25519

    def cosign(self, text: bytes, timestamp: int) -> Signature:
        """The cosignature over a checkpoint's text at a POSIX time in seconds."""
        value = timestamp.to_bytes(_TIME_BYTES, "big") + self._private_key.sign(cosigned_text(text, timestamp))
        return Signature(self.verifier_key.name, self.verifier_key.key_id, value)


class MlDsa44Signer:
    """Signs checkpoints with ML-DSA-44 (FIPS 204) as c2sp.org/tlog-cosignature describes: secure against quantum computers."""

    def __init__(self, name: str, private_key: MLDSA44PrivateKey) -> None:
        _check_name(name)
        self._private_key = private_key
        self.verifier_key = VerifierKey(name, Algorithm.ML_DSA_44, private_key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> MlDsa44Signer:
        """A new key."""
        return cls(name, MLDSA44PrivateKey.generate())

    @classmethod
    def from_pem(cls, name: str, data: bytes) -> MlDsa44Signer:
        """The key of an unencrypted PKCS #8 file.

        Raises VerificationError.
        """
        try:
            private_key = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise VerificationError("the key file is no unencrypted PEM file (PKCS #8)") from error
        if not isinstance(private_key, MLDSA44PrivateKey):
            raise VerificationError("the key file holds no ML-DSA-44 key")
        return cls(name, private_key)

    def to_pem(self) -> bytes:
        """The key as an unencrypted PKCS #8 file."""
        return _pem(self._private_key)

    def sign(self, text: bytes) -> Signature:
        """The signature over a checkpoint's text, without a time: a log makes no statement about it."""
        value = bytes(_TIME_BYTES) + self._private_key.sign(subtree_message(self.verifier_key.name, text, 0))
        return Signature(self.verifier_key.name, self.verifier_key.key_id, value)


def _pem(private_key: Ed25519PrivateKey | MLDSA44PrivateKey) -> bytes:
    return private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def cosigned_text(text: bytes, timestamp: int) -> bytes:
    """What a witness signs with Ed25519: a header, the time, and the checkpoint's text."""
    return b"cosignature/v1\ntime %d\n" % timestamp + text


def subtree_message(name: str, text: bytes, timestamp: int) -> bytes:
    """What is signed with ML-DSA-44: name, time, origin, the range of leaves (from 0), and the root.

    Raises VerificationError when the text is no checkpoint, or a name is too long.
    """
    from studbook.merkle.checkpoint import parse_checkpoint  # noqa: PLC0415 - it stands on this module

    checkpoint = parse_checkpoint(text)
    names = []
    for value in (name.encode(), checkpoint.origin.encode()):
        if not 0 < len(value) < 256:  # noqa: PLR2004 - one byte tells the length
            raise VerificationError("a name in an ML-DSA-44 signature has 1 to 255 bytes")
        names.append(bytes([len(value)]) + value)
    place = bytes(8) + checkpoint.size.to_bytes(8, "big")
    return b"subtree/v1\n\x00" + names[0] + timestamp.to_bytes(_TIME_BYTES, "big") + names[1] + place + checkpoint.root


def cosigned_at(signature: Signature) -> int:
    """The POSIX time in seconds that a cosignature carries."""
    return int.from_bytes(signature.value[:_TIME_BYTES], "big")
