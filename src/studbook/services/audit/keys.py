"""The keys that sign checkpoints: PEM files (PKCS #8) in a folder that only the publisher can read.

Each log has keys of its own, since a policy file of C2SP tlog-policy may list a key once only. A file is named after its log and
its key id; which of them sign is told by the log itself (`log_key.added`, `log_key.retired`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from studbook.domain.documents import KeyAlgorithm
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Algorithm, Ed25519Signer, MlDsa44Signer

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.merkle.notes import VerifierKey

    Signer = Ed25519Signer | MlDsa44Signer

_SIGNERS: Final[dict[KeyAlgorithm, type[Ed25519Signer | MlDsa44Signer]]] = {
    KeyAlgorithm.ED25519: Ed25519Signer,
    KeyAlgorithm.ML_DSA_44: MlDsa44Signer,
}


class KeyFolder:
    """A folder of signing keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Signer] = {}

    def path(self, key: VerifierKey) -> Path:
        """The file of a key."""
        return self.folder / f"{key.name.replace('/', '_')}-{key.key_id.hex()}.pem"

    def make(self, origin: str, algorithm: KeyAlgorithm = KeyAlgorithm.ED25519) -> Signer:
        """A new key for a log, stored before it is used."""
        signer: Signer = _SIGNERS[algorithm].generate(origin)
        path = self.path(signer.verifier_key)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(signer.to_pem())
            file.flush()
            os.fsync(file.fileno())
        return signer

    def find(self, key: VerifierKey) -> Signer | None:
        """The signer for a verifier key, or None when this folder has not its private key."""
        name = str(key)
        if name not in self._known:
            path = self.path(key)
            kind = MlDsa44Signer if key.algorithm is Algorithm.ML_DSA_44 else Ed25519Signer
            try:
                signer = kind.from_pem(key.name, path.read_bytes())
            except FileNotFoundError:
                return None
            if signer.verifier_key != key:
                message = f"{path} holds another key than its name says"
                raise VerificationError(message)
            self._known[name] = signer
        return self._known[name]
