"""Where the code runs: Python, installed packages, operating system and hardware."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any, Final

from studbook.client.capture.processes import Question
from studbook.client.values import clean_text

_GPU_QUERY: Final = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
# From the end of the run; the question was asked at its beginning.
_GPU_SECONDS: Final = 2.0
_MEBIBYTE: Final = 1024 * 1024
_CPU_INFO: Final = Path("/proc/cpuinfo")
_MEMORY_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class EnvironmentCapture:
    """What the document's `run.environment` says. Begun when the run begins; `result` may be asked many times."""

    def __init__(self) -> None:
        self._gpus = Question(_GPU_QUERY)
        self._result: dict[str, Any] | None = None

    def result(self) -> dict[str, Any]:
        """Python, packages, operating system and hardware; always the same, as a run has one environment."""
        if self._result is None:
            gpus = parse_gpus(self._gpus.answer(seconds=_GPU_SECONDS))
            self._result = {
                **python_environment(),
                "os": operating_system(),
                "hardware": {**hardware(), **({"gpus": gpus} if gpus else {})},
            }
        return self._result


def python_environment() -> dict[str, Any]:
    """Python's version and the installed packages.

    `packages_digest` is the SHA-256 of the lines `name==version`, sorted, each with its end.
    """
    packages = installed_packages()
    listing = "".join(f"{name}=={version}\n" for name, version in packages.items())
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": packages,
        "packages_digest": f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}",
    }


def installed_packages() -> dict[str, str]:
    """Version by normalised name (PEP 503) of every installed package, sorted by name."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        # A broken installation leaves folders without name or version behind; one package less, not one run less.
        with contextlib.suppress(Exception):
            name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
            # The first on the path is the one that is imported.
            found.setdefault(clean_text(name, 200), clean_text(str(distribution.version), 200))
    return dict(sorted(found.items()))


def operating_system() -> str:
    """Such as `Debian GNU/Linux 12 (bookworm), Linux 6.1.0, x86_64`."""
    parts = [f"{platform.system()} {platform.release()}", platform.machine()]
    with contextlib.suppress(OSError, KeyError):
        parts.insert(0, platform.freedesktop_os_release()["PRETTY_NAME"])
    return clean_text(", ".join(parts), 500)


@functools.cache
def hardware() -> dict[str, Any]:
    """CPU model and count, and memory in bytes: of the machine, and what this process may use where that is less."""
    found: dict[str, Any] = {}
    if model := _cpu_model():
        found["cpu"] = clean_text(model, 200)
    if count := os.cpu_count():
        found["cpu_count"] = count
    with contextlib.suppress(AttributeError, OSError):
        if (usable := len(os.sched_getaffinity(0))) != count:
            found["cpu_count_usable"] = usable
    with contextlib.suppress(AttributeError, ValueError, OSError):
        found["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _memory_limit()
    if limit is not None and limit < found.get("memory_bytes", 0):
        found["memory_bytes_usable"] = limit
    return found


def parse_gpus(output: str | None) -> list[dict[str, Any]]:
    """The GPUs that nvidia-smi lists, memory in bytes."""
    gpus = []
    for line in (output or "").splitlines():
        name, _, rest = line.partition(",")
        memory, _, driver = rest.partition(",")
        gpu: dict[str, Any] = {"name": clean_text(name.strip(), 200), "driver": clean_text(driver.strip(), 200)}
        with contextlib.suppress(ValueError):
            gpu["memory_bytes"] = int(memory) * _MEBIBYTE
        if gpu["name"] and driver:
            gpus.append(gpu)
    return gpus


def _cpu_model() -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in _CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Model", "cpu model"} and value.strip():
                return value.strip()
    return platform.processor() or None


def _memory_limit() -> int | None:
    """The container's memory limit in bytes, if it has one."""
    for path in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text())
    return None
