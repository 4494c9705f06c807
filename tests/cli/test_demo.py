"""The demo does the real job: models are trained, recorded over HTTP, and their pedigree is drawn."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import studbook

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_demo_trains_and_records(tmp_path: Path) -> None:
    environment = {**os.environ, "STUDBOOK_HOME": str(tmp_path), "COLUMNS": "120"}
    command = [sys.executable, "-m", "studbook.cli", "demo", "--exit"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "Lineage of tumour-classifier@champion" in done.stdout
    assert "http://127.0.0.1:" in done.stdout
    assert (tmp_path / "env").stat().st_mode & 0o077 == 0
    database = next(tmp_path.rglob("*.db"))
    with studbook.connect(database) as registry:
        versions = [version for model in registry.models() for version in registry.versions(model.model)]
        assert len(versions) >= 6
        lineage = registry.lineage("tumour-classifier@champion", direction="upstream", depth=20)
        generations = [node for node in lineage.nodes if node.kind == "model_version"]
        assert len(generations) >= 3
        readers = list(registry.search(filter="task = image-classification and metrics.accuracy > 0.5"))
        assert {version.model for version in readers} == {"digit-reader", "digit-reader-small"}
        data = [{link.name for link in version.datasets if link.role == "training"} for version in versions]
        assert any(first & second for index, first in enumerate(data) for second in data[index + 1 :])
        for version in versions:
            assert all(artifact.digest for artifact in version.artifacts)
            assert version.artifacts
