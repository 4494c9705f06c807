"""Programs of others verify our logs: the packages of Go's checksum database, and the code that verifies Sigstore's logs."""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from studbook.merkle.checkpoint import Checkpoint
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.notes import Note
from studbook.merkle.tiles import TILE_WIDTH, Tile, consistency_proof, inclusion_proof, tile_root, tiles_of
from studbook.merkle.tree import CompactRange
from tests.merkle.making import IMPOSTOR, LOG, ORIGIN, QUANTUM, TIME, WITNESS, altered, flipped

if TYPE_CHECKING:
    from collections.abc import Callable

    Document = dict[str, Any]

HERE = Path(__file__).parent
SIZES = (1, 2, 3, 255, 256, 257, 1000)
# Beyond 256 * 256 leaves there are tiles of level 2; so many proofs are not all shown.
LARGE, SHOWN = 66_000, 211
GO_SOURCES = Path("/usr/share/gocode")  # where Debian puts the sources of Go packages


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def flipped_text(value: str) -> str:
    return encoded(flipped(base64.b64decode(value), 77))


def signed(text: bytes) -> str:
    """A checkpoint as a registry serves it: two signatures of the log, and one of a witness."""
    return Note(text, (LOG.sign(text), QUANTUM.sign(text), WITNESS.cosign(text, TIME))).encode().decode()


def entry(number: int) -> bytes:
    return b'{"number": %d}' % number + b" " * (number % 7)


def make_tiles(size: int) -> dict[Tile, bytes]:
    tiles: dict[Tile, bytes] = {}
    for tile in tiles_of(size):
        numbers = range(tile.number * TILE_WIDTH, tile.number * TILE_WIDTH + tile.width)
        below = (tile_root(tiles[Tile(tile.level - 1, number)]) if tile.level else leaf_hash(entry(number)) for number in numbers)
        tiles[tile] = b"".join(below)
    return tiles


@cache
def roots(size: int) -> list[bytes]:
    tree, found = CompactRange(), []
    for number in range(size):
        tree.append(leaf_hash(entry(number)))
        found.append(tree.root())
    return found


@cache
def log_of(size: int) -> Document:
    """A whole log: every entry with its proof, every older tree with its proof, every tile; of a large log, not every proof."""
    tiles, step = make_tiles(size), SHOWN if size == LARGE else 1
    consistency = [
        {
            "old": old,
            "root": encoded(root),
            "hashes": [encoded(value) for value in consistency_proof(old, size, tiles.__getitem__)],
        }
        for old, root in list(enumerate(roots(size), 1))[::step]
    ]
    inclusion = [
        {"index": index, "hashes": [encoded(value) for value in inclusion_proof(index, size, tiles.__getitem__)]}
        for index in range(0, size, step)
    ]
    return {
        "origin": ORIGIN,
        "vkey": str(LOG.verifier_key),
        "checkpoint": signed(Checkpoint(ORIGIN, size, roots(size)[-1]).text),
        "entries": [encoded(entry(number)) for number in range(size)],
        "inclusion": inclusion,
        "consistency": consistency,
        "tiles": {tile.path: encoded(data) for tile, data in tiles.items()},
    }


def change_entry(log: Document, size: int) -> None:
    log["entries"][size // 2] = encoded(b"another entry")


def change_inclusion_proof(log: Document, size: int) -> None:
    proof = log["inclusion"][size // 2]["hashes"]
    proof[-1] = flipped_text(proof[-1])


def cut_inclusion_proof(log: Document, size: int) -> None:
    log["inclusion"][size // 2]["hashes"].pop()


def move_inclusion_proof(log: Document, size: int) -> None:
    log["inclusion"][size - 1]["hashes"] = log["inclusion"][0]["hashes"]


def change_root(log: Document, size: int) -> None:
    log["checkpoint"] = signed(Checkpoint(ORIGIN, size, flipped(roots(size)[-1])).text)


def ask_for_another_log(log: Document, size: int) -> None:
    log["origin"] = "log.example/another"


def change_signature(log: Document, size: int) -> None:
    text = Checkpoint(ORIGIN, size, roots(size)[-1]).text
    log["checkpoint"] = Note(text, (altered(LOG.sign(text)),)).encode().decode()


def change_signed_text(log: Document, size: int) -> None:
    log["checkpoint"] = log["checkpoint"].replace(f"\n{size}\n", f"\n{size + 1}\n", 1)


def sign_with_another_key(log: Document, size: int) -> None:
    text = Checkpoint(ORIGIN, size, roots(size)[-1]).text
    log["checkpoint"] = Note(text, (IMPOSTOR.sign(text),)).encode().decode()


def take_older_checkpoint_of_another_tree(log: Document, size: int) -> None:
    old = (size + 1) // 2
    log["consistency"][old - 1]["root"] = encoded(flipped(roots(size)[old - 1]))


def change_consistency_proof(log: Document, size: int) -> None:
    proof = log["consistency"][0]["hashes"]
    proof[-1] = flipped_text(proof[-1])


def change_tile(log: Document, size: int) -> None:
    path = next(reversed(log["tiles"]))
    log["tiles"][path] = flipped_text(log["tiles"][path])


def lose_tile(log: Document, size: int) -> None:
    del log["tiles"][next(iter(log["tiles"]))]


INVALID = "invalid transparency proof"
ANOTHER_ROOT = "calculated root hash does not match inclusion proof"
UNSIGNED = "invalid checkpoint signature"
# What is done to a log, the smallest log that it can be done to, and how Go's and Sigstore's verifiers begin to say what they
# have found. Sigstore's knows neither tiles nor consistency proofs.
TAMPERINGS: list[tuple[Callable[[Document, int], None], int, str, str | None]] = [
    (change_entry, 1, "entries: the entries have the root", ANOTHER_ROOT),
    (change_inclusion_proof, 2, "proofs: inclusion of {middle}: " + INVALID, ANOTHER_ROOT),
    (cut_inclusion_proof, 2, "proofs: inclusion of {middle}: " + INVALID, "invalid hash count"),
    (move_inclusion_proof, 2, "proofs: inclusion of {last}: " + INVALID, None),
    (change_root, 1, "entries: the entries have the root", ANOTHER_ROOT),
    (ask_for_another_log, 1, "checkpoint: another origin", "another origin"),
    (change_signature, 1, "checkpoint: invalid signature for key " + ORIGIN, UNSIGNED),
    (change_signed_text, 1, "checkpoint: invalid signature for key " + ORIGIN, UNSIGNED),
    (sign_with_another_key, 1, "checkpoint: note has no verifiable signatures", UNSIGNED),
    (take_older_checkpoint_of_another_tree, 1, "proofs: consistency with {half}: the entries have another root", None),
    (change_consistency_proof, 2, "proofs: consistency with 1: " + INVALID, None),
    (change_tile, 1, "tiles: tile ", None),
    (lose_tile, 1, "tiles: ", None),
]


def lacking(sentence: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def run(command: list[str | Path], **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, text=True, capture_output=True, timeout=300, check=False, **settings)


@pytest.fixture(scope="session")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    if not shutil.which("go") or not (GO_SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        lacking("Install Debian's packages golang-go and golang-golang-x-mod-dev to let Go's verifier check the log.")
    folder = tmp_path_factory.mktemp("go")
    place = {"GO111MODULE": "off", "GOPATH": str(GO_SOURCES), "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    built = run(["go", "build", "-o", folder / "verify", "main.go"], cwd=HERE / "go", env=os.environ | place)
    assert built.returncode == 0, built.stderr
    return [folder / "verify"]


@pytest.fixture(scope="session")
def sigstore_verifier(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    if not shutil.which("node") or not shutil.which("npm"):
        lacking("Install Node.js and npm to let Sigstore's verifier check the log.")
    folder = tmp_path_factory.mktemp("js")
    for name in ("verify.mjs", "package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / "js" / name, folder)
    installed = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    if installed.returncode:
        lacking(f"Connect this machine to npm's registry, which gives Sigstore's verifier: {installed.stderr}")
    return ["node", folder / "verify.mjs"]


def judge(verifier: list[str | Path], log: Document) -> tuple[int, str]:
    done = run(verifier, input=json.dumps(log))
    assert done.stderr == ""
    return done.returncode, done.stdout.removesuffix("\n")


def tampered(tamper: Callable[[Document, int], None], size: int) -> Document:
    log = copy.deepcopy(log_of(size))
    tamper(log, size)
    assert log != log_of(size)
    return log


def cases(column: int) -> list[Any]:
    return [
        pytest.param(row[0], size, row[column], id=f"{row[0].__name__}-{size}")
        for row in TAMPERINGS
        for size in SIZES
        if size >= row[1] and row[column] is not None
    ]


@pytest.mark.parametrize("size", SIZES)
def test_gos_checksum_database_verifies_every_entry_older_tree_and_tile(go_verifier: list[str | Path], size: int) -> None:
    tiles = len(log_of(size)["tiles"])
    verdict = f"verified: {size} entries, {size} inclusion proofs, {size} consistency proofs, {tiles} tiles"
    assert judge(go_verifier, log_of(size)) == (0, verdict)


def test_gos_checksum_database_verifies_a_log_with_tiles_of_three_levels(go_verifier: list[str | Path]) -> None:
    log = log_of(LARGE)
    assert {"tile/0/256", "tile/1/000", "tile/2/000.p/1"} <= set(log["tiles"])
    shown, tiles = len(log["inclusion"]), len(log["tiles"])
    verdict = f"verified: {LARGE} entries, {shown} inclusion proofs, {shown} consistency proofs, {tiles} tiles"
    assert judge(go_verifier, log) == (0, verdict)
    path = "tile/2/000.p/1"
    refused = {**log, "tiles": {**log["tiles"], path: flipped_text(log["tiles"][path])}}
    status, verdict = judge(go_verifier, refused)
    assert (status, verdict.startswith("refused: tiles: ")) == (1, True)


@pytest.mark.parametrize("size", SIZES)
def test_sigstore_verifies_the_checkpoint_and_every_entry(sigstore_verifier: list[str | Path], size: int) -> None:
    assert judge(sigstore_verifier, log_of(size)) == (0, f"verified: {size} inclusion proofs")


@pytest.mark.parametrize(("tamper", "size", "reason"), cases(2))
def test_gos_checksum_database_refuses_a_tampered_log(
    go_verifier: list[str | Path], tamper: Callable[[Document, int], None], size: int, reason: str
) -> None:
    status, verdict = judge(go_verifier, tampered(tamper, size))
    assert status == 1
    assert verdict.startswith("refused: " + reason.format(middle=size // 2, last=size - 1, half=(size + 1) // 2))


@pytest.mark.parametrize(("tamper", "size", "reason"), cases(3))
def test_sigstore_refuses_a_tampered_log(
    sigstore_verifier: list[str | Path], tamper: Callable[[Document, int], None], size: int, reason: str
) -> None:
    status, verdict = judge(sigstore_verifier, tampered(tamper, size))
    assert status == 1
    assert verdict.startswith("refused: " + reason)
