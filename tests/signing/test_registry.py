"""A signature that is attached to a version: verified, held against its artifacts, recorded once, and there for rules to read."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import studbook
from studbook.client.digests import digest_path
from studbook.embedded import EmbeddedTransport
from studbook.services.audit.fsck import check_logs
from studbook.services.audit.rebuilding import rebuild
from studbook.signing.folders import digest_folder
from studbook.signing.manifest import RESOURCES_LIMIT, Manifest, Resource
from studbook.signing.verifying import sign_manifest
from tests.governance.conftest import API, People, admin, enforce, people, policy
from tests.signing.conftest import BUNDLES, CONTENTS, ROOT_DIGEST, read
from tests.signing.test_commands import run

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["admin", "people"]

PLACE = "/models/churn/versions/1/signatures"
P256 = read("p256.pub").decode()


def artifact(name: str, /, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(CONTENTS[name].encode()).hexdigest()
    return {"uri": f"s3://models/churn/{name}", "digest": f"sha256:{digest}", **more}


def register(client: httpx.Client, *artifacts: dict[str, Any]) -> None:
    document = {"model": {"name": "churn"}, "version": {"artifacts": list(artifacts)}}
    answer = client.post("/ingest", json=document)
    assert answer.status_code == 201, answer.text


def attach(client: httpx.Client, bundle: str | bytes = "p256.sig", **given: Any) -> httpx.Response:
    text = read(bundle) if isinstance(bundle, str) else bundle
    return client.post(PLACE, json={"bundle": text.decode(), **(given or {"public_key": P256})})


def codes(answer: httpx.Response) -> set[str]:
    return {error["code"] for error in answer.json()["errors"]}


def test_a_signature_is_recorded_with_its_event(api: httpx.Client) -> None:
    register(
        api,
        artifact("weights.bin"),
        artifact("tokenizer/vocabulary.txt"),
        artifact("config.json", uri="s3://elsewhere", name="config.json"),
    )
    answer = attach(api)
    assert answer.status_code == 201, answer.text
    (entry,) = answer.json()["signatures"]
    assert entry["root_digest"] == f"sha256:{ROOT_DIGEST}"
    assert entry["files"] == len(CONTENTS)
    assert entry["bundle_digest"] == f"sha256:{hashlib.sha256(read('p256.sig')).hexdigest()}"
    key = serialization.load_pem_public_key(P256.encode())
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert entry["key"] == f"sha256:{hashlib.sha256(der).hexdigest()}"
    assert api.get("/models/churn/versions/1").json()["signatures"] == [entry]
    events = api.get("/models/churn/versions/1/history").json()["items"]
    assert [event["action"] for event in events] == ["model_version.signed", "model_version.registered"]


def test_the_same_said_again_changes_nothing_and_another_signer_is_added(api: httpx.Client) -> None:
    register(api, artifact("weights.bin"))
    first = attach(api).json()
    again = attach(api)
    assert again.status_code == 200
    assert again.json()["etag"] == first["etag"]
    spaced = json.dumps(json.loads(read("p256.sig")), indent=2).encode()
    assert attach(api, spaced).json()["etag"] == first["etag"]
    other = attach(api, "p384.sig", public_key=read("p384.pub").decode())
    assert other.status_code == 201
    by_certificate = attach(api, "certificate.sig", certificates=read("root.pem").decode())
    assert by_certificate.status_code == 201
    entries = by_certificate.json()["signatures"]
    assert len({entry["key"] for entry in entries}) == 3
    assert entries[2]["certificate"] != entries[2]["root_certificate"]
    assert "signer@example.org" not in by_certificate.text


def test_folders_are_known_by_the_sdk_s_digest(api: httpx.Client, model: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    (model / ".git" / "HEAD").unlink()
    (model / ".gitignore").unlink()
    (model / "a" / "back\\slash\n").write_text("escaped by sha256sum")
    whole = {"uri": "s3://models/whatever", "digest": digest_path(model).digest}
    part = {"uri": "s3://models/whatever/tokenizer/", "digest": digest_path(model / "tokenizer").digest}
    register(api, whole, part)
    answer = attach(api, sign_manifest(digest_folder(model), key), public_key=public)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        artifact("weights.bin", digest="sha256:" + "00" * 32),
        artifact("weights.bin", uri="s3://models/other.bin"),
        artifact("weights.bin", uri="s3://models/config.json"),
    ],
    ids=["other content", "other name", "content of another name"],
)
def test_a_signature_over_something_else_is_refused(api: httpx.Client, wrong: dict[str, Any]) -> None:
    register(api, artifact("config.json"), wrong)
    answer = attach(api)
    assert answer.status_code == 422
    assert codes(answer) == {"artifact_not_signed"}
    assert "signatures" not in api.get("/models/churn/versions/1").json()


def test_a_version_without_digests_cannot_be_signed(api: httpx.Client) -> None:
    register(api, artifact("config.json"), {"uri": "s3://models/churn/weights.bin"})
    answer = attach(api)
    assert answer.status_code == 409
    assert codes(answer) == {"no_digests"}


def test_what_does_not_verify_is_refused_with_its_place(api: httpx.Client) -> None:
    register(api, artifact("weights.bin"))
    spoilt = json.loads(read("p256.sig"))
    spoilt["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    for bundle in (b"{}", b"nothing", read("shards.sig"), read("p384.sig"), json.dumps(spoilt).encode()):
        answer = attach(api, bundle)
        assert answer.status_code == 422
        assert codes(answer) == {"bad_signature"}
        assert answer.json()["errors"][0]["pointer"] == "/bundle"
    for given in ({"public_key": "no key"}, {"certificates": "none"}):
        assert codes(attach(api, **given)) == {"unreadable_key"}
    both = attach(api, public_key=P256, certificates=read("root.pem").decode())
    assert codes(both) == {"nothing_to_verify_with"}
    missing = api.post("/models/churn/versions/7/signatures", json={"bundle": read("p256.sig").decode(), "public_key": P256})
    assert missing.status_code == 404


def test_names_in_a_signature_far_below_cost_little_and_match_nothing(api: httpx.Client) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    deep = tuple(Resource("/".join(["a"] * 2000) + f"/{number}", bytes(32)) for number in range(200))
    assert len(deep) < RESOURCES_LIMIT
    register(api, {"uri": "s3://" + "a/" * 2000, "digest": "sha256:" + "00" * 32})
    answer = attach(api, sign_manifest(Manifest("folder", deep), key), public_key=public)
    assert codes(answer) == {"artifact_not_signed"}


def test_reading_does_not_do_and_policies_are_asked(people: People, admin: httpx.Client) -> None:
    register(admin, artifact("weights.bin"))
    assert attach(people.make("reader", access="read")).status_code == 403
    enforce(admin, policy(gates=("change",)))
    refused = attach(people.make("writer"))
    assert refused.status_code == 403
    assert refused.json()["code"] == "policy_denied"
    assert "signatures" not in admin.get("/models/churn/versions/1").json()


def test_a_rule_reads_who_signed(admin: httpx.Client) -> None:
    register(admin, artifact("weights.bin"))
    entry = attach(admin).json()["signatures"][0]
    rule = {
        "id": "signed",
        "expression": "object.signatures.exists(s, s.key == params.key)",
        "message": "it is not signed by the release key",
    }
    tests = [
        {"name": "signed", "object": {"signatures": [{"key": entry["key"]}]}, "expect": "pass"},
        {"name": "unsigned", "object": {"signatures": []}, "expect": {"fail": ["signed"]}},
    ]
    document = policy(gates=("promote",), rules=[rule], tests=tests, params={"key": entry["key"]})
    enforce(admin, document)
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    register(admin, artifact("a.txt"))
    assert admin.put("/models/churn/aliases/champion", json={"version": 2}).status_code == 403


def test_the_log_tells_it_again(database_url: str) -> None:
    with contextlib.closing(EmbeddedTransport(database_url)) as transport:
        client = httpx.Client(transport=transport, base_url=API)
        register(client, artifact("weights.bin"))
        signed = attach(client).json()
        # Once it is proven, nothing is on its way into the log any more.
        client.patch("/models/churn", json={"tags": {"a": "b"}}, params={"wait": "proof"})
        registry = transport._registry
        registry.database.work.run(lambda transaction: rebuild(transaction, 1))
        assert client.get("/models/churn/versions/1").json()["signatures"] == signed["signatures"]
        assert [finding for report in check_logs(registry.database, registry.guard) for finding in report.findings] == []


def test_the_sdk_and_the_command_attach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDBOOK_URL", str(tmp_path / "registry.db"))
    with studbook.connect(tmp_path / "registry.db", spool=tmp_path / "spool") as registry:
        registry.ingest({"model": {"name": "churn"}, "version": {"artifacts": [artifact("weights.bin")]}})
    done = run("attach", "churn/1", BUNDLES / "p256.sig", "--key", BUNDLES / "p256.pub")
    assert done.exit_code == 0, done.stderr
    with studbook.connect(tmp_path / "registry.db", spool=tmp_path / "spool") as registry:
        version = registry.add_signature("churn/1", read("certificate.sig"), certificates=read("root.pem").decode())
    assert [signature.root_digest for signature in version.signatures] == [f"sha256:{ROOT_DIGEST}"] * 2
    (tmp_path / "binary").write_bytes(bytes(range(1, 256)))
    assert run("attach", "churn/1", tmp_path / "binary", "--key", BUNDLES / "p256.pub").exit_code == 1
    refused = run("attach", "churn/1", BUNDLES / "p256.sig", "--key", BUNDLES / "p384.pub")
    assert refused.exit_code == 1
    assert "another key" in refused.stderr


def test_edges_by_a_signed_digest_are_verified(api: httpx.Client) -> None:
    """Both what was made by digest before the signature and what is made after it."""
    weights = artifact("weights.bin")

    def derive(model: str) -> None:
        parent = {"ref": weights["digest"], "relation": "quantized-from", "external": True}
        assert api.post("/ingest", json={"model": {"name": model}, "version": {"parents": [parent]}}).status_code == 201

    def bases(model: str) -> set[str]:
        tree = api.get(f"/lineage/models/{model}/versions/1").json()
        assert {node["name"]: node["signed"] for node in tree["nodes"]}["models/churn/versions/1"] is signed
        return {edge["basis"] for edge in tree["edges"]}

    signed = False
    derive("waited")
    register(api, weights)
    derive("before")
    named = {"model": {"name": "named"}, "version": {"parents": [{"ref": "churn/1", "relation": "distilled-from"}]}}
    assert api.post("/ingest", json=named).status_code == 201
    assert bases("waited") == bases("before") == {"matched"}
    assert attach(api).status_code == 201
    signed = True
    derive("after")
    assert bases("waited") == bases("before") == bases("after") == {"matched", "verified"}
    assert bases("named") == {"declared"}
    everything = api.get("/lineage/models/after/versions/1", params={"depth": 1000, "edges": False, "limit": 10_000}).json()
    assert {node["name"]: node["signed"] for node in everything["nodes"]} == {
        "models/after/versions/1": False, "models/churn/versions/1": True,
    }  # fmt: skip
    event = api.get("/models/before/versions/1/history").json()["items"][0]
    assert event["action"] == "lineage.linked"
    why = api.get("/lineage/edges", params={"source": "churn/1", "target": "before/1"}).json()
    assert [edge["basis"] for edge in why["edges"]] == ["matched", "verified"]
