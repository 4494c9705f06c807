"""The record that every way of registering is measured with.

10 tags, 20 parameters, 10 metrics, 2 datasets, 1 parent, 1 artifact.
"""

from __future__ import annotations

import hashlib
import json
from itertools import count
from typing import Any, Final

DATASETS: Final = ("bench-train", "bench-test")
_serial = count(1)


def digest(text: str) -> str:
    """A digest as documents carry it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def document(model: str, *, parent: str | None) -> dict[str, Any]:
    """A full record of a new version of `model`, different from every other one."""
    serial = next(_serial)
    return {
        "model": {"name": model},
        "version": {
            "parents": [parent] if parent else [],
            "parameters": {f"parameter_{index}": round(0.001 * serial + index, 6) for index in range(20)},
            "metrics": [
                {"name": f"metric_{index}", "value": 0.5 + 1 / (serial + index), "dataset": DATASETS[1], "split": "test"}
                for index in range(10)
            ],
            "artifacts": [
                {"uri": f"s3://bench/{model}/{serial}/model.onnx", "digest": digest(f"artifact {model} {serial}"), "size": 48213}
            ],
            "tags": {f"tag_{index}": f"value {serial % 7}" for index in range(10)},
        },
        "run": {"kind": "training", "job": f"bench-{model}", "seed": serial, "started_at": "2026-03-01T12:00:00Z"},
        "datasets": [
            {"name": name, "digest": digest(name), "role": role}
            for name, role in zip(DATASETS, ("training", "test"), strict=True)
        ],
    }


def encoded(model: str, *, parent: str | None) -> bytes:
    """The record as the bytes of a request, made before the clock starts."""
    return json.dumps(document(model, parent=parent)).encode()
