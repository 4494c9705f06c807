"""Documents of the lineage tests, and what is asked of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


def version(model: str, *parents: dict[str, Any], digest: str | None = None, **more: Any) -> dict[str, Any]:
    """A document with a version that comes of these parents and of nothing else."""
    artifacts = [{"uri": f"s3://models/{model}", "digest": f"sha256:{digest * 64}"}] if digest else []
    return {"model": {"name": model}, "version": {"parents": list(parents), "artifacts": artifacts, **more}}


def external(ref: str, relation: str = "finetuned-from", **more: Any) -> dict[str, Any]:
    """A parent that may be still to come."""
    return {"ref": ref, "relation": relation, "external": True, **more}


def ingest(client: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
    """Record a document; returns the answer."""
    answer = client.post("/ingest", json=document)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


def edges(client: httpx.Client, node: str, **parameters: Any) -> set[tuple[str, str, str, str]]:
    """The edges around a record, all of them: source, target, relation, basis."""
    answer = client.get(f"/lineage/{node}", params={"depth": 1000, **parameters})
    assert answer.status_code == 200, answer.text
    return {(edge["source"], edge["target"], edge["relation"], edge["basis"]) for edge in answer.json()["edges"]}
