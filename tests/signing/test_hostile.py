"""Bundles, names, keys and folders from somebody who means harm: each is refused, and in one way."""

from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.signing import keys
from studbook.signing.bundle import Bundle, read_bundle, render_bundle, signed_bytes
from studbook.signing.certificates import read_certificates
from studbook.signing.errors import SigningError
from studbook.signing.folders import compare_folder, digest_folder
from studbook.signing.manifest import RESOURCES_LIMIT, Manifest, Resource
from studbook.signing.reading import SIZE_LIMIT
from studbook.signing.statement import read_statement, render_statement
from studbook.signing.verifying import verify_bundle
from tests.signing.conftest import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = ec.generate_private_key(ec.SECP256R1())
DIGEST = bytes(range(32))


def statement(*names: str) -> dict[str, Any]:
    """A statement about files of these names, right in everything else."""
    manifest = Manifest("folder", tuple(Resource(name, DIGEST) for name in names))
    found: dict[str, Any] = json.loads(render_statement(manifest))
    return found


def signed(payload: bytes) -> bytes:
    """A bundle in which the key really signs these bytes: what is wrong with them must be found by reading them."""
    return render_bundle(Bundle(payload, keys.sign(KEY, signed_bytes(payload)), keys.hint_of(KEY.public_key())))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "/etc/passwd", "a/../../b", "a//b", "a/", "./a", "a\x00b", "\ud800", "a" * 5000]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(SigningError, match="name of a file"):
        verify_bundle(signed(json.dumps(statement(name)).encode()), key=KEY.public_key())


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(SigningError, match="twice"):
        read_statement(json.dumps(statement("a", "a")).encode())


def _several_subjects(found: dict[str, Any]) -> None:
    found["subject"] *= 2


def _other_root(found: dict[str, Any]) -> None:
    found["subject"][0]["digest"]["sha256"] = "00" * 32


def _other_type(found: dict[str, Any]) -> None:
    found["_type"] = "https://in-toto.io/Statement/v0.1"


def _other_predicate(found: dict[str, Any]) -> None:
    found["predicateType"] = "https://slsa.dev/provenance/v1"


def _short_digest(found: dict[str, Any]) -> None:
    found["predicate"]["resources"][0]["digest"] = "00"


def _weak_hash(found: dict[str, Any]) -> None:
    found["predicate"]["resources"][0]["algorithm"] = "md5"


def _everything_ignored(found: dict[str, Any]) -> None:
    found["predicate"]["serialization"]["ignore_paths"] = ["."]


def _too_many(found: dict[str, Any]) -> None:
    found["predicate"]["resources"] = [{}] * (RESOURCES_LIMIT + 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_several_subjects, "2 subjects"),
        (_other_root, "contradicts itself"),
        (_other_type, "_type"),
        (_other_predicate, "predicateType"),
        (_short_digest, "no sha256 digest"),
        (_weak_hash, "md5"),
        (_everything_ignored, "ignored path"),
        (_too_many, "more than"),
    ],
)
def test_statements_that_are_signed_and_wrong_are_refused(spoil: Callable[[dict[str, Any]], None], said: str) -> None:
    found = statement("a", "b")
    spoil(found)
    with pytest.raises(SigningError, match=said):
        verify_bundle(signed(json.dumps(found).encode()), key=KEY.public_key())


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}', b"1" * 10_000,
        b" " * (SIZE_LIMIT + 1),
    ],
    ids=["empty", "no UTF-8", "null", "list", "nothing", "deep", "NaN", "twice", "long number", "huge"],
)  # fmt: skip
def test_what_is_no_bundle_is_refused(text: bytes) -> None:
    with pytest.raises(SigningError):
        read_bundle(text)


def test_another_payload_type_is_refused() -> None:
    document = json.loads(read("p256.sig"))
    document["dsseEnvelope"]["payloadType"] = "text/plain"
    with pytest.raises(SigningError, match="text/plain"):
        verify_bundle(json.dumps(document).encode(), key=keys.read_public_key(read("p256.pub")))


def test_a_changed_payload_is_told_as_a_bad_signature() -> None:
    document = json.loads(read("p256.sig"))
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload + b" ").decode()
    with pytest.raises(SigningError, match="signature is bad"):
        verify_bundle(json.dumps(document).encode(), key=keys.read_public_key(read("p256.pub")))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, child in children for place in _places(child, (*path, name)))]


_WRONG = st.sampled_from([None, True, 0, -1, 1e300, "", "é", "====", "AAAA", [], {}, [None], {"a": None}])


@pytest.mark.parametrize("name", ["p256.sig", "certificate.sig"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_bundle_with_something_else_anywhere_fails_in_one_way_or_verifies(name: str, data: st.DataObject) -> None:
    document = json.loads(read(name))
    place = data.draw(st.sampled_from([found for found in _places(document) if found]))
    spoilt = copy.deepcopy(document)
    parent = spoilt
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = data.draw(_WRONG)
    try:
        found = verify_bundle(
            json.dumps(spoilt).encode(),
            key=keys.read_public_key(read("p256.pub")) if name == "p256.sig" else None,
            roots=read_certificates(read("root.pem")),
        )
    except SigningError:
        return
    # What may be anything is what the signature does not depend on: hints, log entries, the key's id.
    assert found.payload == base64.b64decode(document["dsseEnvelope"]["payload"])
    assert set(place) & {"hint", "keyid", "tlogEntries", "publicKey", "verificationMaterial"}


# A serial number below one is warned about when it is read, and refused when the chain is verified.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_certificates_with_bytes_changed_fail_in_one_way(data: st.DataObject) -> None:
    document = json.loads(read("certificate.sig"))
    chain = document["verificationMaterial"]["x509CertificateChain"]["certificates"]
    entry = data.draw(st.sampled_from(chain))
    raw = bytearray(base64.b64decode(entry["rawBytes"]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    entry["rawBytes"] = base64.b64encode(raw).decode()
    with pytest.raises(SigningError):
        verify_bundle(json.dumps(document).encode(), roots=read_certificates(read("root.pem")))


def test_keys_of_other_kinds_are_refused() -> None:
    pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    for key in (ed25519.Ed25519PrivateKey.generate().public_key(), ec.generate_private_key(ec.SECP256K1()).public_key()):
        with pytest.raises(SigningError, match="another kind"):
            keys.read_public_key(key.public_bytes(*pem))
    for text in (b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(SigningError):
            keys.read_public_key(text)
        with pytest.raises(SigningError):
            keys.read_private_key(text)
        with pytest.raises(SigningError):
            read_certificates(text)


def test_links_are_refused_or_followed_to_files_alone(model: Path, tmp_path: Path) -> None:
    manifest = digest_folder(model)
    (model / "a.txt").unlink()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_text("z")
    (model / "a.txt").symlink_to(tmp_path / "outside" / "a.txt")
    with pytest.raises(SigningError, match="symbolic link"):
        digest_folder(model)
    with pytest.raises(SigningError, match="symbolic link"):
        compare_folder(model, manifest)
    (model / "more").symlink_to(tmp_path / "outside")
    followed = digest_folder(model, allow_symlinks=True)
    assert followed.root_digest == manifest.root_digest


def test_a_name_that_no_file_can_have_is_missing_and_one_through_a_link_too(model: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b").write_text("x")
    (model / "link").symlink_to(tmp_path / "outside")
    names = ("link/b", "n" * 300, "/".join(["d"] * 2000))
    signed_before = Manifest("folder", tuple(Resource(name, DIGEST) for name in names), allow_symlinks=True)
    assert set(compare_folder(model, signed_before).missing) == set(names)


def test_what_is_named_is_looked_at_though_it_is_ignored(model: Path) -> None:
    manifest = digest_folder(model)
    hidden = Manifest(manifest.name, manifest.resources, ("a.txt", "tokenizer", *manifest.ignored))
    (model / "a.txt").write_text("other")
    (model / "tokenizer" / "vocabulary.txt").unlink()
    differences = compare_folder(model, hidden)
    assert differences.changed == ("a.txt",)
    assert differences.missing == ("tokenizer/vocabulary.txt",)
