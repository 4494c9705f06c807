"""`studbook model digest`, `sign` and `verify`: what they print, write and end with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from studbook.cli.main import app
from tests.signing.conftest import BUNDLES, ROOT_DIGEST

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["model", *map(str, words)], env={"COLUMNS": "200"})


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file of a private key with a password, beside its public half in `key.pub`."""
    made = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    secret = made.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hush"))
    public = made.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key").write_bytes(secret)
    (tmp_path / "key.pub").write_bytes(public)
    return tmp_path / "key"


def test_the_digest_is_printed_alone(model: Path) -> None:
    done = run("digest", model)
    assert done.stdout == f"sha256:{ROOT_DIGEST}\n"
    answer = json.loads(run("digest", model, "--ignore", "tokenizer/", "--json").stdout)
    assert "tokenizer" in answer["ignored"]
    assert not any(entry["name"].startswith("tokenizer/") for entry in answer["files"])


def test_a_folder_is_signed_and_verified(model: Path, key: Path) -> None:
    signed = run("sign", model, "--key", key, "--password", "hush")
    assert signed.exit_code == 0, signed.stderr
    assert ROOT_DIGEST in (signed.stdout + signed.stderr)
    done = run("verify", model, "--key", key.with_suffix(".pub"))
    assert done.exit_code == 0, done.stderr
    (model / "a.txt").write_text("other")
    (model / "new").write_text("new")
    (model / "empty").unlink()
    refused = run("verify", model, "--key", key.with_suffix(".pub"))
    assert refused.exit_code == 1
    for said in ("signature is good", "a.txt differs", "empty is missing", "new was not signed"):
        assert said in refused.stdout
    answer: dict[str, Any] = json.loads(run("verify", model, "--key", key.with_suffix(".pub"), "--json").stdout)
    assert (answer["changed"], answer["missing"], answer["extra"]) == (["a.txt"], ["empty"], ["new"])


def test_a_password_that_is_wrong_is_told(model: Path, key: Path) -> None:
    refused = run("sign", model, "--key", key, "--password", "loud")
    assert refused.exit_code == 1
    assert "private key cannot be read" in refused.stderr
    assert not (model / "model.sig").exists()


def test_a_certificate_is_told_with_its_names(model: Path) -> None:
    done = run("verify", model, "--signature", BUNDLES / "certificate.sig", "--certificate", BUNDLES / "root.pem")
    assert done.exit_code == 0, done.stderr
    assert "signer@example.org" in done.stdout


def test_a_signature_is_not_verified_with_nothing(model: Path) -> None:
    refused = run("verify", model, "--signature", BUNDLES / "p256.sig")
    assert refused.exit_code == 2
    assert "--certificate" in refused.stderr


def test_a_bad_signature_is_told(model: Path) -> None:
    refused = run("verify", model, "--signature", BUNDLES / "p256.sig", "--key", BUNDLES / "p384.pub")
    assert refused.exit_code == 1
    assert "another key" in refused.stderr
