"""What `studbook demo` shows at its end: lineage, the best versions, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from studbook.cli import screen
from studbook.cli.lineage import DEPTH, print_lineage
from studbook.cli.pedigree import Direction
from studbook.cli.text import number, short_name
from studbook.demo.catalogue import GOALS, best_of
from studbook.demo.champions import ALIAS, DEPLOYED

if TYPE_CHECKING:
    from rich.table import Table

    from studbook.client.registry import Registry

_TREES = ((f"{DEPLOYED}@{ALIAS}", Direction.BOTH), ("digit-reader-small/latest", Direction.UPSTREAM))


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of the demo."""

    registry: Registry
    url: str
    token: str
    command: str
    environment: str

    def print(self) -> None:
        """Print all of it."""
        console = screen.output()
        for reference, direction in _TREES:
            self._heading(f"Lineage of {reference}")
            print_lineage(self.registry, self.registry.lineage(reference, direction=direction.value, depth=DEPTH), direction)
        self._heading("The best version of each model")
        console.print(self._champions())
        self._heading("The audit log")
        self._print_log()
        self._heading("Try next")
        self._print_commands()
        self._heading("In a browser")
        console.print(screen.line(("  ", ""), (self._login_link(), screen.NAME)), soft_wrap=True)
        console.print(screen.styled("  (logs you in to read, for twelve hours)", screen.QUIET))

    def _champions(self) -> Table:
        table = screen.columns("model", "versions", "best", "by", "value", right=["versions", "value"])
        for name, goal in GOALS.items():
            versions = list(self.registry.versions(name))
            best = best_of(versions, goal)
            if best is not None:
                version, metric = best
                marks = "".join(f"  @{alias}" for alias in version.aliases)
                best_cell = screen.line((short_name(version.name), screen.NAME), (marks, screen.GOOD))
                table.add_row(name, str(len(versions)), best_cell, f"{goal.best} {goal.metric}", number(metric.value))
        return table

    def _print_log(self) -> None:
        """Verify the whole log, as anybody may who has its key."""
        from studbook.evidence.mirror import verify_log
        from studbook.merkle.policy import parse_policy

        policy = parse_policy(self.registry.policy())
        verdict = verify_log(self.registry.log_file, policy.keys, policy)
        origin = next(iter(self.registry.shards())).origin
        screen.confirm(
            (origin, screen.NAME), f"  {verdict.entries:,} entries of {verdict.subjects:,} records verified, each hash anew"
        )
        screen.output().print(screen.styled(f"  key {policy.keys[-1].fingerprint}", screen.QUIET), soft_wrap=True)

    def _print_commands(self) -> None:
        commands = (
            (f"source {self.environment}", "the address and a token, for these commands"),
            (f"{self.command} show tumour-classifier@champion", "everything about one version"),
            (f"{self.command} diff tumour-classifier/3 tumour-classifier/4", "what calibration changed"),
            (f"{self.command} lineage datasets/tumours-train/versions/1", "what was made of this data"),
            (
                f"{self.command} search --filter 'framework = scikit-learn and metrics.accuracy > 0.95'",
                "by attributes and metrics",
            ),
            (f"{self.command} audit events tumour-classifier", "who changed what, when, from what to what"),
            (
                f"{self.command} audit bundle tumour-classifier@champion",
                "its evidence, with a page that verifies it in a browser",
            ),
            (f"{self.command} doctor", "whether everything is in order"),
        )
        width = max(len(command) for command, _ in commands)
        for command, purpose in commands:
            # Whole lines, whatever the terminal's width: they are there to be copied.
            words = screen.line("  ", (command.ljust(width), screen.NAME), (f"   {purpose}", screen.QUIET))
            screen.output().print(words, soft_wrap=True)

    def _login_link(self) -> str:
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(trust_env=False, headers=headers) as client:
            answer = client.post(f"{self.url}/api/v1/namespaces/{self.registry.namespace}/login-links")
            answer.raise_for_status()
            link: str = answer.json()["url"]
            return link

    @staticmethod
    def _heading(words: str) -> None:
        screen.output().print(screen.styled(f"\n{words}", screen.HEADING))
