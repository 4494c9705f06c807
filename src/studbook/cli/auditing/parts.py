"""What verifying needs from outside: keys, policies, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli.audit_part import verifying_part
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError

if TYPE_CHECKING:
    from studbook.merkle.notes import VerifierKey
    from studbook.merkle.policy import Policy

Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="VKEY|FILE", help="The log's verifier key, or a file of such, got from elsewhere than from the registry."
    ),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A tlog-policy: the log's keys, witnesses and the quorum needed.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is logged for ever, so it must name nobody.")]


def read_keys(given: list[str] | None) -> list[VerifierKey]:
    """The verifier keys that were given as text or as files.

    Raises CommandError.
    """
    with verifying_part():
        from studbook.merkle.errors import VerificationError
        from studbook.merkle.notes import parse_vkey
    keys = []
    for text in given or ():
        lines = [text]
        if "+" not in text or Path(text).is_file():
            lines = read_file(Path(text)).decode("utf-8", "replace").splitlines()
        for line in lines:
            # A line of a policy names the key in its second word.
            word = line.strip().removeprefix("log ").split(" ")[0]
            if not word or line.startswith(("#", "quorum", "witness", "group")):
                continue
            try:
                keys.append(parse_vkey(word))
            except VerificationError as error:
                raise CommandError(f"{text[:120]!r}: {error}", Exit.USAGE) from error
    return keys


def read_policy(path: Path | None) -> Policy | None:
    """The policy in a file.

    Raises CommandError.
    """
    if path is None:
        return None
    with verifying_part():
        from studbook.merkle.errors import VerificationError
        from studbook.merkle.policy import parse_policy
    try:
        return parse_policy(read_file(path))
    except VerificationError as error:
        raise CommandError(f"{path}: {error}", Exit.USAGE) from error


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises CommandError.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.USAGE) from error
