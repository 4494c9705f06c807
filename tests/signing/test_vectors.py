"""What the real library computed and signed is computed and verified alike here, and the library accepts what is signed here."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from studbook.signing.certificates import read_certificates
from studbook.signing.errors import SigningError
from studbook.signing.folders import Differences, compare_folder, digest_folder
from studbook.signing.keys import read_public_key
from studbook.signing.verifying import sign_manifest, verify_bundle
from tests.signing.conftest import CONTENTS, ROOT_DIGEST, read

if TYPE_CHECKING:
    from pathlib import Path

# Where the library's command is, when it is not on the path: it needs packages that Studbook does without.
_LIBRARY = os.environ.get("STUDBOOK_TEST_MODEL_SIGNING") or shutil.which("model_signing")


def test_the_root_digest_is_the_library_s(model: Path) -> None:
    manifest = digest_folder(model)
    assert manifest.root_digest == ROOT_DIGEST
    assert [resource.name for resource in manifest.resources][:3] == ["a/b", "a-b", "a.txt"]
    assert {resource.name for resource in manifest.resources} == set(CONTENTS)
    assert manifest.name == "folder"


@pytest.mark.parametrize(("bundle", "key"), [("p256.sig", "p256.pub"), ("p384.sig", "p384.pub"), ("blake2.sig", "p256.pub")])
def test_signatures_by_key_verify(model: Path, bundle: str, key: str) -> None:
    verified = verify_bundle(read(bundle), key=read_public_key(read(key)))
    assert compare_folder(model, verified.manifest) == Differences()
    assert verified.signer.names == ()


def test_a_signature_within_the_folder_is_no_part_of_it(model: Path) -> None:
    (model / "model.sig").write_bytes(read("inside.sig"))
    verified = verify_bundle(read("inside.sig"), key=read_public_key(read("p256.pub")))
    assert verified.manifest.root_digest == ROOT_DIGEST
    assert not compare_folder(model, verified.manifest)
    other = verify_bundle(read("p256.sig"), key=read_public_key(read("p256.pub")))
    assert compare_folder(model, other.manifest).extra == ("model.sig",)
    assert not compare_folder(model, other.manifest, signature=model / "model.sig")


def test_a_certificate_verifies_through_its_chain(model: Path) -> None:
    verified = verify_bundle(read("certificate.sig"), roots=read_certificates(read("root.pem")))
    assert verified.signer.names == ("signer@example.org",)
    assert verified.signer.valid_from is not None
    assert not compare_folder(model, verified.manifest)


def test_a_root_of_somebody_else_does_not_do() -> None:
    stranger = read_certificates(read("intermediate.pem"))
    # The intermediate as the only root is a root that the signer's certificate leads to; that of a bundle without one is not.
    assert verify_bundle(read("certificate.sig"), roots=stranger).manifest.root_digest == ROOT_DIGEST
    with pytest.raises(SigningError, match="has no certificate"):
        verify_bundle(read("p256.sig"), roots=stranger)


def test_nothing_to_verify_with_is_said_plainly() -> None:
    with pytest.raises(SigningError, match="nobody can tell whose it is"):
        verify_bundle(read("certificate.sig"))


def test_another_key_is_refused() -> None:
    with pytest.raises(SigningError, match="signed with another key"):
        verify_bundle(read("p256.sig"), key=read_public_key(read("p384.pub")))


def test_shards_are_refused_by_name() -> None:
    with pytest.raises(SigningError, match="'shards'"):
        verify_bundle(read("shards.sig"), key=read_public_key(read("p256.pub")))


@pytest.mark.skipif(_LIBRARY is None, reason="model-signing is not installed; STUDBOOK_TEST_MODEL_SIGNING names its command")
def test_the_library_accepts_what_is_signed_here(model: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub").write_bytes(public)
    signature = model / "model.sig"
    signature.write_bytes(sign_manifest(digest_folder(model, ignored=["model.sig"]), key))
    files = ["--signature", str(signature), "--public_key", str(tmp_path / "key.pub")]
    command = [str(_LIBRARY), "verify", "key", str(model), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (model / "a.txt").write_text("other")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "a.txt" in done.stdout + done.stderr


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_what_is_signed_here_verifies_and_tells_each_difference(model: Path, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    text = sign_manifest(digest_folder(model), key)
    manifest = verify_bundle(text, key=key.public_key()).manifest
    assert not compare_folder(model, manifest)
    (model / "a.txt").write_text("other")
    (model / "empty").unlink()
    (model / "tokenizer" / "new").write_text("new")
    (model / ".git" / "new").write_text("of no interest")
    assert compare_folder(model, manifest) == Differences(("a.txt",), ("empty",), ("tokenizer/new",))
