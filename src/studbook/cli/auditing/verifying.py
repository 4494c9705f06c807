"""`studbook audit verify`: receipts, checkpoints, bundles and whole logs, away from the registry or against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.audit_part import verifying_part
from studbook.cli.auditing.parts import Keys, PolicyFile, read_file, read_keys, read_policy
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson
from studbook.cli.session import open_registry
from studbook.client.errors import NotFoundError

if TYPE_CHECKING:
    from studbook.client.registry import Registry
    from studbook.evidence.mirror import Source
    from studbook.merkle.notes import VerifierKey
    from studbook.merkle.policy import Policy

_Target = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE|FOLDER]", help="A receipt, checkpoint, bundle or exported log; without it, the registry's whole log."
    ),
]
_EntryFile = Annotated[Path | None, typer.Option("--entry", metavar="FILE", help="The entry that a receipt is about.")]
_Old = Annotated[
    list[Path] | None,
    typer.Option("--old", metavar="CHECKPOINT", help="A checkpoint that was kept: the log must have grown from it unchanged."),
]
_RECEIPT_HEAD = b"c2sp.org/tlog-proof"
_ZIP_HEAD = b"PK"


@dataclass(slots=True)
class _Trust:
    """Whose signatures count."""

    keys: list[VerifierKey]
    policy: Policy | None
    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fingerprints(self) -> list[str]:
        """The keys for people to compare."""
        return [f"{key.name}  {key.fingerprint}" for key in self.keys]


def verify(
    context: typer.Context,
    target: _Target = None,
    *,
    key: Keys = None,
    policy: PolicyFile = None,
    entry: _EntryFile = None,
    old: _Old = None,
    as_json: AsJson = False,
) -> None:
    """Verify a receipt, a checkpoint, a bundle, or a whole log; exit code 0 only when all of it holds.

    The log's key must come from elsewhere than what it verifies. Without --key and --policy the registry itself is asked for
    it, which shows that the log agrees with itself, and is said so.
    """
    with verifying_part():
        from studbook.merkle.errors import VerificationError
    trust = _trust(context, key, policy)
    try:
        verdict = _verify(context, target, trust, entry, old or [])
    except VerificationError as error:
        if as_json:
            screen.write_json({"verified": False, "reason": str(error)})
        raise CommandError(f"NOT verified: {error}", Exit.REFUSED) from error
    if as_json:
        screen.write_json(
            {
                "verified": True,
                **verdict,
                "steps": trust.steps,
                "notes": trust.notes,
                "keys": [{"name": known.name, "fingerprint": known.fingerprint} for known in trust.keys],
            }
        )
        return
    for step in trust.steps:
        screen.confirm(step)
    for note in trust.notes:
        screen.notices().print(screen.styled(f"! {note}", screen.CAUTION))
    for line in trust.fingerprints():
        screen.notices().print(screen.styled(f"  key {line}", screen.QUIET), soft_wrap=True)
    screen.output().print(screen.line(("Verified", screen.GOOD), "."))


def _trust(context: typer.Context, key: list[str] | None, policy_file: Path | None) -> _Trust:
    policy = read_policy(policy_file)
    keys = read_keys(key)
    if keys or policy is not None:
        return _Trust(keys or (policy.keys if policy else []), policy)
    with verifying_part():
        from studbook.merkle.errors import VerificationError
        from studbook.merkle.policy import parse_policy
    try:
        with open_registry(context) as registry:
            told = parse_policy(registry.policy())
    except VerificationError as error:
        raise CommandError(f"the registry's policy is none: {error}") from error
    trust = _Trust(told.keys, told if told.quorum != "none" else None)
    trust.notes.append("the keys were told by the registry itself; compare their fingerprints with what you got from elsewhere")
    return trust


def _verify(context: typer.Context, target: Path | None, trust: _Trust, entry: Path | None, old: list[Path]) -> dict[str, Any]:
    if target is None:
        with open_registry(context) as registry:
            return _verify_log(_registry_source(registry), trust, old)
    if target.is_dir():
        with verifying_part():
            from studbook.evidence.mirror import folder_source
        return _verify_log(folder_source(target), trust, old)
    data = read_file(target)
    if data.startswith(_ZIP_HEAD):
        return _verify_bundle(data, trust)
    if data.startswith(_RECEIPT_HEAD):
        return _verify_receipt(data, trust, entry or target.with_suffix(".json"))
    return _verify_checkpoint(context, target, data, trust, old)


def _verify_log(read: Source, trust: _Trust, old: list[Path]) -> dict[str, Any]:
    from studbook.evidence.mirror import check_signed, verify_growth, verify_log

    verdict = verify_log(read, trust.keys, trust.policy)
    checkpoint = verdict.checkpoint
    trust.steps.append(f"The checkpoint of {checkpoint.origin} over {checkpoint.size:,} entries is signed.")
    trust.steps.append("Every tile and the root follow from the entries' hashes.")
    trust.steps.append(f"{verdict.entries:,} entries are those that were hashed; no record of {verdict.subjects:,} has a gap.")
    if verdict.snapshots:
        trust.steps.append(f"Snapshots that say the same as the entries before them: {verdict.snapshots:,}.")
    if verdict.purged:
        trust.notes.append(f"{verdict.purged:,} entries were purged or are not served; only their hashes were verified")
    for path in old:
        kept = check_signed(read_file(path), trust.keys, trust.policy)
        verify_growth(read, kept, checkpoint)
        trust.steps.append(f"The log grew from the kept checkpoint of {kept.size:,} entries without a change.")
    return {"origin": checkpoint.origin, "size": checkpoint.size, "entries": verdict.entries, "purged": verdict.purged}


def _verify_bundle(data: bytes, trust: _Trust) -> dict[str, Any]:
    from studbook.evidence.format import read_bundle
    from studbook.evidence.verifying import verify_bundle

    bundle = read_bundle(data)
    report = verify_bundle(bundle, trust.keys, trust.policy)
    trust.steps += [step.sentence for step in report.steps]
    trust.notes += report.notes
    return {"origin": bundle.origin, "size": bundle.size, "subjects": [subject.name for subject in bundle.subjects]}


def _verify_receipt(data: bytes, trust: _Trust, entry: Path) -> dict[str, Any]:
    from studbook.evidence.mirror import check_signed
    from studbook.merkle.receipt import parse_receipt, verify_receipt

    if not entry.exists():
        message = f"a receipt proves an entry; {entry} is not there, so say which with --entry"
        raise CommandError(message, Exit.USAGE)
    receipt = parse_receipt(data)
    check_signed(receipt.checkpoint, trust.keys, trust.policy)
    checkpoint = verify_receipt(receipt, read_file(entry), trust.keys)
    trust.steps.append(
        f"{entry} is entry {receipt.index:,} of {checkpoint.origin}, under a signed checkpoint of {checkpoint.size:,}."
    )
    return {"origin": checkpoint.origin, "size": checkpoint.size, "index": receipt.index}


def _verify_checkpoint(context: typer.Context, target: Path, data: bytes, trust: _Trust, old: list[Path]) -> dict[str, Any]:
    """A checkpoint alone, or that it grew from kept ones, which its folder or else the registry proves."""
    from studbook.evidence.mirror import check_signed, folder_source, verify_growth

    checkpoint = check_signed(data, trust.keys, trust.policy)
    trust.steps.append(f"The checkpoint of {checkpoint.origin} over {checkpoint.size:,} entries is signed.")
    kept = [check_signed(read_file(path), trust.keys, trust.policy) for path in old]
    if kept and (target.parent / "tile").is_dir():
        for known in kept:
            verify_growth(folder_source(target.parent), known, checkpoint)
    elif kept:
        with open_registry(context) as registry:
            for known in kept:
                verify_growth(_registry_source(registry), known, checkpoint)
    trust.steps += [f"It grew from the kept checkpoint of {known.size:,} entries without a change." for known in kept]
    return {"origin": checkpoint.origin, "size": checkpoint.size}


def _registry_source(registry: Registry) -> Source:
    from studbook.merkle.errors import VerificationError

    def read(path: str) -> bytes:
        try:
            return registry.log_file(path)
        except NotFoundError as error:
            raise VerificationError(f"the registry does not serve {path}: {error}") from error

    return read
