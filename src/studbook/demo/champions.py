"""What is done with the versions once they are recorded: the best gets an alias, one is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.client.errors import NotFoundError
from studbook.demo.catalogue import GOALS, SCHEME, best_of

if TYPE_CHECKING:
    from studbook.client import ModelVersion
    from studbook.client.registry import Registry

ALIAS: Final = "champion"
DEPLOYED: Final = "tumour-classifier"
_TARGET: Final = "demo/tumour-screening"


def find_recorded(registry: Registry, key: str) -> ModelVersion | None:
    """The version of a lesson, if it is recorded."""
    try:
        return registry.version(f"{SCHEME}:{key}")
    except NotFoundError:
        return None


def name_champions(registry: Registry) -> None:
    """Say what each model is for, point `champion` at its best version, and deploy one; what is so already stays."""
    for name, goal in GOALS.items():
        model = registry.model(name)
        if model.description is None:
            registry.update_model(name, description=goal.purpose)
        best = best_of(registry.versions(name), goal)
        if best is not None and model.aliases.get(ALIAS) != best[0].number:
            registry.set_alias(name, ALIAS, best[0].number)
    champion = registry.version(f"{DEPLOYED}@{ALIAS}")
    served = [entry for entry in registry.deployments(version=champion.name, status="active") if entry.target == _TARGET]
    if not served:
        registry.deploy(champion.name, _TARGET)


def is_complete(registry: Registry) -> bool:
    """Whether every version of the demo is recorded."""
    keys = [f"{name}-{number}" for name, goal in GOALS.items() for number in range(1, goal.versions + 1)]
    return all(find_recorded(registry, key) is not None for key in keys)
