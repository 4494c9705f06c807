"""What is malformed or does not fit is refused, each in its own way and always with VerificationError."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from studbook.merkle.checkpoint import Checkpoint, parse_checkpoint
from studbook.merkle.hashing import node_hash
from studbook.merkle.notes import NOTE_LIMIT, Algorithm, Note, VerifierKey, parse_note, parse_vkey
from studbook.merkle.policy import POLICY_LIMIT, check_checkpoint, parse_policy
from studbook.merkle.proofs import verify_consistency, verify_inclusion
from studbook.merkle.receipt import Receipt, parse_receipt, verify_receipt
from studbook.merkle.tiles import consistency_proof, decode_entry_bundle, inclusion_proof, parse_tile_path, tree_root
from studbook.merkle.tree import CompactRange
from tests.merkle.making import (
    BUNDLE,
    CHECKPOINT,
    CONSISTENCY,
    ENTRIES,
    HUGE,
    IMPOSTOR,
    INDEX,
    KEYS,
    LEAVES,
    LOG,
    OLD_ROOT,
    OLD_SIZE,
    ORIGIN,
    POLICY,
    PROOF,
    QUANTUM,
    RECEIPT,
    ROOT,
    SIGNATURES,
    SIGNED,
    SIZE,
    STRANGER,
    TEXT,
    TOO_LARGE,
    WITNESS,
    altered,
    cases,
    flipped,
    lenient,
    refuse,
    signed,
    vkey,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.merkle.tiles import Tile


def test_what_the_cases_are_made_of_is_good() -> None:
    verify_inclusion(LEAVES[INDEX], INDEX, SIZE, PROOF, ROOT)
    verify_consistency(OLD_SIZE, OLD_ROOT, SIZE, ROOT, CONSISTENCY)
    assert parse_note(SIGNED).encode() == SIGNED
    assert parse_checkpoint(TEXT) == CHECKPOINT
    assert check_checkpoint(SIGNED, parse_policy(POLICY)) == CHECKPOINT
    assert verify_receipt(parse_receipt(RECEIPT.encode()), ENTRIES[INDEX], KEYS, ORIGIN) == CHECKPOINT
    assert decode_entry_bundle(BUNDLE, SIZE) == ENTRIES
    assert all(parse_vkey(str(key)) == key for key in KEYS)
    assert parse_vkey(vkey(ORIGIN, b"\x01" + LOG.verifier_key.key)) == LOG.verifier_key


def above(value: bytes, height: int) -> bytes:
    """The root that many levels above a leaf when every hash on the way is the same."""
    node = value
    for _ in range(height):
        node = node_hash(node, value)
    return node


WITHIN = {"leaf": LEAVES[INDEX], "index": INDEX, "size": SIZE, "proof": PROOF, "root": ROOT}
INCLUSIONS = {
    "another leaf": {"leaf": LEAVES[INDEX + 1]},
    "leaf flipped": {"leaf": flipped(LEAVES[INDEX])},
    "leaf empty": {"leaf": b""},
    "leaf too short": {"leaf": LEAVES[INDEX][:-1]},
    "leaf too long": {"leaf": LEAVES[INDEX] + b"\0"},
    "root flipped": {"root": flipped(ROOT, 255)},
    "root empty": {"root": b""},
    "root cut": {"root": ROOT[:16]},
    "root too long": {"root": ROOT + b"\0"},
    "index before": {"index": INDEX - 1},
    "index after": {"index": INDEX + 1},
    "index negative": {"index": -1},
    "index is the size": {"index": SIZE},
    "index beyond the size": {"index": SIZE + INDEX},
    "index huge": {"index": 10**400},
    "size zero": {"index": 0, "size": 0},
    "size negative": {"size": -SIZE},
    "size smaller": {"size": INDEX + 1},
    "size of a higher tree": {"size": 4 * SIZE},
    "size not of 63 bits": {"size": 2**63},
    "size huge": {"size": 10**400},
    "proof empty": {"proof": []},
    "proof doubled": {"proof": PROOF + PROOF},
    "proof too long at its end": {"proof": [*PROOF, PROOF[-1]]},
    "proof too long at its start": {"proof": [PROOF[0], *PROOF]},
    "proof too short at its end": {"proof": PROOF[:-1]},
    "proof too short at its start": {"proof": PROOF[1:]},
    "proof backwards": {"proof": PROOF[::-1]},
    "proof of thousands": {"proof": PROOF * 5000},
    "proof that goes on to a root above": {"proof": [*PROOF, OLD_ROOT], "root": node_hash(OLD_ROOT, ROOT)},
    "root of 64 levels": {"leaf": ROOT, "index": 0, "size": 2**63, "proof": [ROOT] * 63, "root": above(ROOT, 63)},
    "root over a hash that is too long": {
        "index": 0,
        "size": 2,
        "proof": [ROOT + ROOT],
        "root": node_hash(LEAVES[INDEX], ROOT + ROOT),
    },
    "leaf and root of another length": {"leaf": b"root", "root": b"root", "index": 0, "size": 1, "proof": []},
    "proof for the whole tree": {"proof": [*PROOF, ROOT]},
    "proof that the root alone is": {"proof": [ROOT]},
    **{f"hash {at} flipped": {"proof": [*PROOF[:at], flipped(PROOF[at], 8 * at), *PROOF[at + 1 :]]} for at in range(len(PROOF))},
    **{f"hash {at} empty": {"proof": [*PROOF[:at], b"", *PROOF[at + 1 :]]} for at in range(len(PROOF))},
    **{f"hash {at} cut": {"proof": [*PROOF[:at], PROOF[at][:-1], *PROOF[at + 1 :]]} for at in range(len(PROOF))},
    **{f"hash {at} doubled": {"proof": [*PROOF[:at], PROOF[at] * 2, *PROOF[at + 1 :]]} for at in range(len(PROOF))},
}


@pytest.mark.parametrize("change", cases(INCLUSIONS))
def test_an_inclusion_proof_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    refuse(lambda: verify_inclusion(**{**WITHIN, **change}))  # type: ignore[arg-type]


FOLLOWING = {"old_size": OLD_SIZE, "old_root": OLD_ROOT, "new_size": SIZE, "new_root": ROOT, "proof": CONSISTENCY}
CONSISTENCIES = {
    "old root flipped": {"old_root": flipped(OLD_ROOT)},
    "new root flipped": {"new_root": flipped(ROOT)},
    "roots exchanged": {"old_root": ROOT, "new_root": OLD_ROOT},
    "old root cut": {"old_root": OLD_ROOT[:-1]},
    "new root too long": {"new_root": ROOT + b"\0"},
    "roots empty": {"old_root": b"", "new_root": b""},
    "sizes exchanged": {"old_size": SIZE, "new_size": OLD_SIZE},
    "old size before": {"old_size": OLD_SIZE - 1},
    "old size after": {"old_size": OLD_SIZE + 1},
    "old size a power of two": {"old_size": 4},
    "old size negative": {"old_size": -1},
    "old size huge": {"old_size": 10**400},
    "new size before": {"new_size": SIZE - 1 - 4},
    "new size of a higher tree": {"new_size": 4 * SIZE},
    "new size not of 63 bits": {"new_size": 2**63},
    "new size huge": {"new_size": 10**400},
    "from nothing with a proof": {"old_size": 0},
    "to itself with a proof": {"new_size": OLD_SIZE, "new_root": OLD_ROOT},
    "to itself with another root": {"new_size": OLD_SIZE, "proof": []},
    "proof empty": {"proof": []},
    "proof empty for a power of two": {"old_size": 4, "proof": []},
    "proof doubled": {"proof": CONSISTENCY * 2},
    "proof too long at its end": {"proof": [*CONSISTENCY, CONSISTENCY[-1]]},
    "proof too long at its start": {"proof": [CONSISTENCY[0], *CONSISTENCY]},
    "proof too short at its end": {"proof": CONSISTENCY[:-1]},
    "proof too short at its start": {"proof": CONSISTENCY[1:]},
    "proof backwards": {"proof": CONSISTENCY[::-1]},
    "proof of thousands": {"proof": CONSISTENCY * 5000},
    "proof that goes on to roots above": {
        "proof": [*CONSISTENCY, OLD_ROOT],
        "old_root": node_hash(OLD_ROOT, OLD_ROOT),
        "new_root": node_hash(OLD_ROOT, ROOT),
    },
    "root over a hash that is too long": {
        "old_size": 1,
        "new_size": 2,
        "proof": [ROOT + ROOT],
        "new_root": node_hash(OLD_ROOT, ROOT + ROOT),
    },
    "roots of another length": {"old_size": 1, "new_size": 1, "proof": [], "old_root": b"root", "new_root": b"root"},
    "proof that the two roots are": {"proof": [OLD_ROOT, ROOT]},
    **{
        f"hash {at} {what}": {"proof": [*CONSISTENCY[:at], change(CONSISTENCY[at]), *CONSISTENCY[at + 1 :]]}
        for at in range(len(CONSISTENCY))
        for what, change in {"flipped": flipped, "cut": lambda value: value[:-1], "empty": lambda _: b""}.items()
    },
}


@pytest.mark.parametrize("change", cases(CONSISTENCIES))
def test_a_consistency_proof_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    refuse(lambda: verify_consistency(**{**FOLLOWING, **change}))  # type: ignore[arg-type]


RANGES = {
    "negative size": (-1, ROOT),
    "negative size without hashes": (-2, b""),
    "size without hashes": (1, b""),
    "hashes without size": (0, ROOT),
    "one hash too few": (7, ROOT * 2),
    "one hash too many": (7, ROOT * 4),
    "hash cut": (7, (ROOT * 3)[:-1]),
    "hash begun": (7, ROOT * 3 + b"\0"),
    "huge size": (10**400, ROOT),
}


@pytest.mark.parametrize("written", cases(RANGES))
def test_subtrees_that_are_not_those_of_their_size_are_refused(written: tuple[int, bytes]) -> None:
    refuse(lambda: CompactRange.decode(*written))


def tiles_ending(with_: Callable[[bytes], bytes]) -> Callable[[Tile], bytes]:
    return lambda tile: with_(b"".join(LEAVES[: tile.width]))


TILES = {
    "empty": tiles_ending(lambda _: b""),
    "cut": tiles_ending(lambda hashes: hashes[:-1]),
    "one hash short": tiles_ending(lambda hashes: hashes[:-32]),
    "one hash more": tiles_ending(lambda hashes: hashes + ROOT),
    "doubled": tiles_ending(lambda hashes: hashes * 2),
}


@pytest.mark.parametrize("read", cases(TILES))
def test_a_tile_of_another_length_is_refused(read: Callable[[Tile], bytes]) -> None:
    refuse(lambda: tree_root(SIZE, read))
    refuse(lambda: inclusion_proof(INDEX, SIZE, read))
    refuse(lambda: consistency_proof(OLD_SIZE, SIZE, read))


PLACES = {
    "at the size": (SIZE, SIZE),
    "beyond": (SIZE + 1, SIZE),
    "negative": (-1, SIZE),
    "of nothing": (0, 0),
    "huge": (9**400, 1),
}


@pytest.mark.parametrize("place", cases(PLACES))
def test_no_proof_is_made_of_a_leaf_that_is_not_there(place: tuple[int, int]) -> None:
    refuse(lambda: inclusion_proof(*place, tiles_ending(bytes)))


@pytest.mark.parametrize(
    "sizes", cases({"backwards": (SIZE, OLD_SIZE), "from below nothing": (-1, SIZE), "to below nothing": (0, -1)})
)
def test_no_proof_is_made_between_sizes_that_do_not_follow(sizes: tuple[int, int]) -> None:
    refuse(lambda: consistency_proof(*sizes, tiles_ending(bytes)))


PATHS = {
    "empty": "",
    "cut": "tile/0/00",
    "no number": "tile/0/",
    "no level": "tile/000",
    "level empty": "tile//000",
    "level with a leading zero": "tile/00/000",
    "level negative": "tile/-1/000",
    "level 8": "tile/8/000",
    "level 63": "tile/63/000",
    "level huge": f"tile/{'9' * 80}/000",
    "level in words": "tile/data/000",
    "level in capitals": "tile/Entries/000",
    "doubled": "tile/0/000tile/0/000",
    "slash before": "/tile/0/000",
    "slash after": "tile/0/000/",
    "slashes doubled": "tile/0//000",
    "dots": "tile/0/../000",
    "number of four digits": "tile/0/1000",
    "number of letters": "tile/0/abc",
    "number negative": "tile/0/-01",
    "leading group of zeros": "tile/0/x000/001",
    "leading groups of zeros": "tile/0/x000/x000/001",
    "last group with an x": "tile/0/x001",
    "first group without an x": "tile/0/001/002",
    "x in capitals": "tile/0/X001/002",
    "number too large": "tile/0/x036/x028/x797/x018/x963/968",
    "number huge": "tile/0/" + "x999/" * 15 + "999",
    "longer than any": "tile/0/" + "x999/" * 4000 + "999",
    "width 0": "tile/0/000.p/0",
    "width 256": "tile/0/000.p/256",
    "width 999": "tile/0/000.p/999",
    "width huge": "tile/0/000.p/" + "9" * 60,
    "width with a leading zero": "tile/0/000.p/01",
    "width negative": "tile/0/000.p/-1",
    "width empty": "tile/0/000.p/",
    "width doubled": "tile/0/000.p/1.p/1",
    "partial without width": "tile/0/000.p",
    "partial group": "tile/0/x001.p/1/000",
    "space before": " tile/0/000",
    "space after": "tile/0/000 ",
    "break after": "tile/0/000\n",
    "nul": "tile/0/000\0",
    "digits of another script": "tile/0/\u0661\u0662\u0663",
    "digits above the line": "tile/0/00\u00b2",
    "surrogate": "tile/0/\ud800",
    "query": "tile/0/000?x",
    "escaped": "tile%2f0%2f000",
    "bundle without number": "tile/entries",
    "bundle of width 256": "tile/entries/000.p/256",
    "bundle too large": "tile/entries/x036/x028/x797/x018/x963/968",
    "checkpoint": "checkpoint",
}


@pytest.mark.parametrize("path", cases(PATHS))
def test_what_is_no_address_of_a_tile_is_refused(path: str) -> None:
    refuse(lambda: parse_tile_path(path))


BUNDLES = {
    "length cut": (b"\0", None),
    "length without entry": (b"\0\1", None),
    "last byte missing": (BUNDLE[:-1], None),
    "first byte missing": (BUNDLE[1:], SIZE),
    "byte after": (BUNDLE + b"\0", None),
    "entry longer than the bundle": (b"\xff\xff" + b"x" * 65_534, None),
    "empty where entries are due": (b"", 1),
    "an entry where none is due": (b"\0\0", 0),
    "one entry too few": (BUNDLE, SIZE + 1),
    "one entry too many": (BUNDLE, SIZE - 1),
    "doubled": (BUNDLE * 2, SIZE),
    "empty entries in between": (b"\0\0" + BUNDLE, SIZE),
    "negative count": (BUNDLE, -1),
}


@pytest.mark.parametrize("bundle", cases(BUNDLES))
def test_an_entry_bundle_that_is_not_whole_is_refused(bundle: tuple[bytes, int | None]) -> None:
    refuse(lambda: decode_entry_bundle(*bundle))


HEADER = "c2sp.org/tlog-proof@v1"
HASHES = [base64.b64encode(value).decode() for value in PROOF]


def receipt(*lines: str, checkpoint: bytes = SIGNED) -> bytes:
    return "\n".join(lines).encode() + b"\n\n" + checkpoint


GOOD = RECEIPT.encode()
RECEIPTS = {
    "empty": b"",
    "break": b"\n",
    "header alone": HEADER.encode(),
    "header and blank line": receipt(HEADER, checkpoint=b""),
    "header missing": receipt(f"index {INDEX}", *HASHES),
    "header of another version": receipt("c2sp.org/tlog-proof@v2", f"index {INDEX}", *HASHES),
    "header cut": GOOD[1:],
    "header doubled": receipt(HEADER, HEADER, f"index {INDEX}", *HASHES),
    "header with a space": receipt(HEADER + " ", f"index {INDEX}", *HASHES),
    "blank line before": b"\n" + GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "index missing": receipt(HEADER, *HASHES),
    "index missing after extra": receipt(HEADER, "extra AAAA", *HASHES),
    "nothing after extra": receipt(HEADER, "extra AAAA"),
    "index empty": receipt(HEADER, "index ", *HASHES),
    "index without space": receipt(HEADER, f"index{INDEX}", *HASHES),
    "index in capitals": receipt(HEADER, f"Index {INDEX}", *HASHES),
    "index with two spaces": receipt(HEADER, f"index  {INDEX}", *HASHES),
    "index with a leading zero": receipt(HEADER, f"index 0{INDEX}", *HASHES),
    "index negative": receipt(HEADER, "index -1", *HASHES),
    "index 2^63": receipt(HEADER, f"index {TOO_LARGE}", *HASHES),
    "index huge": receipt(HEADER, f"index {HUGE}", *HASHES),
    "index doubled": receipt(HEADER, f"index {INDEX}", f"index {INDEX}", *HASHES),
    "index after the proof": receipt(HEADER, *HASHES, f"index {INDEX}"),
    "extra not base64": receipt(HEADER, "extra ?", f"index {INDEX}", *HASHES),
    "extra with last bits that are not zero": receipt(HEADER, "extra AB==", f"index {INDEX}", *HASHES),
    "extra with a space": receipt(HEADER, "extra  AAAA", f"index {INDEX}", *HASHES),
    "extra after the index": receipt(HEADER, f"index {INDEX}", "extra AAAA", *HASHES),
    "extra doubled": receipt(HEADER, "extra AAAA", "extra AAAA", f"index {INDEX}", *HASHES),
    "an unknown line": receipt(HEADER, "size 13", f"index {INDEX}", *HASHES),
    "64 hashes": receipt(HEADER, f"index {INDEX}", *[HASHES[0]] * 64),
    "thousands of hashes": receipt(HEADER, f"index {INDEX}", *[HASHES[0]] * 10_000),
    "checkpoint missing": receipt(HEADER, f"index {INDEX}", *HASHES, checkpoint=b""),
    "blank line missing": receipt(HEADER, f"index {INDEX}", *HASHES).replace(b"\n\n", b"\n", 1),
    "checkpoint without signatures": receipt(HEADER, f"index {INDEX}", *HASHES, checkpoint=TEXT + b"\n"),
    "checkpoint cut": GOOD[:-1],
    "head not ASCII": receipt(HEADER, "extra \u00e4", f"index {INDEX}", *HASHES),
    "head not UTF-8": b"\xff" + GOOD,
    "nul": receipt(HEADER, f"index {INDEX}\0", *HASHES),
    "breaks of another system": GOOD.replace(b"\n", b"\r\n"),
    "too large": GOOD.replace(b"extra ", b"extra " + b"AAAA" * (NOTE_LIMIT // 4)),
    **{
        f"hash {at} {what}": receipt(HEADER, f"index {INDEX}", *HASHES[:at], change, *HASHES[at + 1 :])
        for at in range(len(HASHES))
        for what, change in {
            "cut": HASHES[at][:-1],
            "of 31 bytes": base64.b64encode(PROOF[at][:-1]).decode(),
            "of 33 bytes": base64.b64encode(PROOF[at] + b"x").decode(),
            "doubled": HASHES[at] * 2,
            "not base64": "!" + HASHES[at][1:],
            "hexadecimal": PROOF[at].hex(),
            "with last bits that are not zero": lenient(HASHES[at]),
            "with a space": HASHES[at] + " ",
        }.items()
    },
}


@pytest.mark.parametrize("data", cases(RECEIPTS))
def test_a_malformed_receipt_is_not_even_read(data: bytes) -> None:
    refuse(lambda: parse_receipt(data))


# What stands behind the first blank line is the checkpoint: here that is another text than the one that was signed.
DISPLACED = {
    "doubled": GOOD + GOOD,
    "blank line doubled": receipt(HEADER, f"index {INDEX}", *HASHES, checkpoint=b"\n" + SIGNED),
    **{f"hash {at} empty": receipt(HEADER, f"index {INDEX}", *HASHES[:at], "", *HASHES[at + 1 :]) for at in range(len(HASHES))},
}


@pytest.mark.parametrize("data", cases(DISPLACED))
def test_a_receipt_whose_checkpoint_begins_elsewhere_proves_nothing(data: bytes) -> None:
    refuse(lambda: verify_receipt(parse_receipt(data), ENTRIES[INDEX], KEYS, ORIGIN))


UNPROVED = {
    "other entry": (RECEIPT, ENTRIES[INDEX + 1]),
    "entry empty": (RECEIPT, b""),
    "entry cut": (RECEIPT, ENTRIES[INDEX][:-1]),
    "entry longer": (RECEIPT, ENTRIES[INDEX] + b"\n"),
    "leaf hash for the entry": (RECEIPT, LEAVES[INDEX]),
    "index before": (replace(RECEIPT, index=INDEX - 1), ENTRIES[INDEX]),
    "index after": (replace(RECEIPT, index=INDEX + 1), ENTRIES[INDEX]),
    "index is the size": (replace(RECEIPT, index=SIZE), ENTRIES[INDEX]),
    "index beyond the size": (replace(RECEIPT, index=2**63 - 1), ENTRIES[INDEX]),
    "index negative": (replace(RECEIPT, index=-1), ENTRIES[INDEX]),
    "proof empty": (replace(RECEIPT, proof=()), ENTRIES[INDEX]),
    "proof too short": (replace(RECEIPT, proof=tuple(PROOF[:-1])), ENTRIES[INDEX]),
    "proof too long": (replace(RECEIPT, proof=(*PROOF, ROOT)), ENTRIES[INDEX]),
    "proof backwards": (replace(RECEIPT, proof=tuple(PROOF[::-1])), ENTRIES[INDEX]),
    "tree of nothing": (replace(RECEIPT, checkpoint=signed(Checkpoint(ORIGIN, 0, ROOT).text)), ENTRIES[INDEX]),
    "tree of another size": (replace(RECEIPT, checkpoint=signed(Checkpoint(ORIGIN, 64, ROOT).text)), ENTRIES[INDEX]),
    "tree of another root": (replace(RECEIPT, checkpoint=signed(Checkpoint(ORIGIN, SIZE, bytes(32)).text)), ENTRIES[INDEX]),
    **{
        f"hash {at} flipped": (replace(RECEIPT, proof=(*PROOF[:at], flipped(PROOF[at], 100), *PROOF[at + 1 :])), ENTRIES[INDEX])
        for at in range(len(PROOF))
    },
}


@pytest.mark.parametrize("proved", cases(UNPROVED))
def test_a_receipt_that_proves_another_thing_is_refused(proved: tuple[Receipt, bytes]) -> None:
    refuse(lambda: verify_receipt(*proved, KEYS, ORIGIN))


LOG_KEY, WITNESS_KEY = LOG.verifier_key, WITNESS.verifier_key
LOG_LINE = f"log {LOG_KEY}"
WITNESS_LINE = f"witness w {WITNESS_KEY}"
SAME_AS_WITNESS = VerifierKey("other.example", Algorithm.COSIGNATURE_ED25519, WITNESS_KEY.key)
POLICIES = {
    "empty": "",
    "comment alone": "# quorum none",
    "quorum missing": LOG_LINE,
    "quorum empty": "quorum",
    "quorum of two": "quorum none none",
    "quorum twice": "quorum none\nquorum none",
    "quorum unknown": "quorum w",
    "quorum below its definition": f"quorum w\n{WITNESS_LINE}",
    "quorum in capitals": "Quorum none",
    "unknown word": "quorum none\nlogs",
    "a word more on a log": f"{LOG_LINE} https://a.example https://b.example\nquorum none",
    "log without key": "log\nquorum none",
    "log with a malformed key": f"{LOG_LINE[:-2]}\nquorum none",
    "log with an unknown algorithm": f"log {vkey('a', bytes([255]) + LOG_KEY.key)}\nquorum none",
    "log with a witness's key": f"log {WITNESS_KEY}\nquorum none",
    "log twice": f"{LOG_LINE}\n{LOG_LINE}\nquorum none",
    "log's key under two names": f"{LOG_LINE}\nlog {replace(LOG_KEY, name='b')}\nquorum none",
    "witness without name": f"witness {WITNESS_KEY}\nquorum none",
    "witness without key": "witness w\nquorum none",
    "witness with a log's key": f"witness w {LOG_KEY}\nquorum none",
    "witness of a taken name": f"{WITNESS_LINE}\nwitness w {QUANTUM.verifier_key}\nquorum none",
    "witness of the name none": f"witness none {WITNESS_KEY}\nquorum none",
    "witness's key twice": f"{WITNESS_LINE}\nwitness v {WITNESS_KEY}\nquorum none",
    "witness's key under two names": f"{WITNESS_LINE}\nwitness v {SAME_AS_WITNESS}\nquorum none",
    "a word more on a witness": f"{WITNESS_LINE} https://a.example x\nquorum none",
    "group without members": f"{WITNESS_LINE}\ngroup g 1\nquorum none",
    "group without threshold": f"{WITNESS_LINE}\ngroup g\nquorum none",
    "group of nobody known": "group g 1 w\nquorum none",
    "group of itself": f"{WITNESS_LINE}\ngroup g any w g\nquorum none",
    "group of a later one": f"{WITNESS_LINE}\ngroup g any h\ngroup h any w\nquorum none",
    "group of one twice": f"{WITNESS_LINE}\ngroup g any w w\nquorum none",
    "member of two groups": f"{WITNESS_LINE}\ngroup g any w\ngroup h any w\nquorum none",
    "group of a taken name": f"{WITNESS_LINE}\ngroup w any w\nquorum none",
    "group of the name none": f"{WITNESS_LINE}\ngroup none any w\nquorum none",
    "group with none as a member": f"{WITNESS_LINE}\ngroup g any none\nquorum none",
    "breaks of another system": f"{WITNESS_LINE}\r\nquorum w\r\n",
    "nul": "quorum none\0",
    "space that does not break": "quorum\u00a0none",
    "surrogate's digits": f"{WITNESS_LINE}\ngroup g \u0661 w\nquorum none",
    **{
        f"threshold {name}": f"{WITNESS_LINE}\ngroup g {threshold} w\nquorum g"
        for name, threshold in {
            "0": "0",
            "above the members": "2",
            "negative": "-1",
            "with a leading zero": "01",
            "with a sign": "+1",
            "as a fraction": "1.0",
            "huge": HUGE,
            "in words": "most",
            "in capitals": "ALL",
        }.items()
    },
}


@pytest.mark.parametrize("text", cases(POLICIES))
def test_a_malformed_policy_is_refused(text: str) -> None:
    refuse(lambda: parse_policy(text.encode()))


@pytest.mark.parametrize(
    "data",
    cases(
        {
            "too large": b"#" * POLICY_LIMIT + b"\nquorum none",
            "not UTF-8": b"quorum none\n\xff",
            "comment not UTF-8": b"# \xff\nquorum none",
            "UTF-16": POLICY.decode().encode("utf-16"),
            "cut character": b"quorum none\n# \xe2\x80",
        }
    ),
)
def test_a_policy_that_is_too_large_or_no_text_is_refused(data: bytes) -> None:
    refuse(lambda: parse_policy(data))


CHECKED = {
    "no log": ("quorum none", SIGNED),
    "no log but a witness": (f"{WITNESS_LINE}\nquorum none", SIGNED),
    "another log": (f"log {STRANGER.verifier_key}\nquorum none", SIGNED),
    "a log's key that is none of this log": (f"log {IMPOSTOR.verifier_key}\nquorum none", SIGNED),
    "signed by the log of another name": (f"{LOG_LINE}\nquorum none", signed(Checkpoint("other.example", SIZE, ROOT).text)),
    "signed by the witness alone": (f"{LOG_LINE}\n{WITNESS_LINE}\nquorum w", Note(TEXT, SIGNATURES[2:3]).encode()),
    "not cosigned": (f"{LOG_LINE}\n{WITNESS_LINE}\nquorum w", Note(TEXT, SIGNATURES[:1]).encode()),
    "wrongly cosigned though nobody asks": (
        f"{LOG_LINE}\n{WITNESS_LINE}\nquorum none",
        Note(TEXT, (SIGNATURES[0], altered(SIGNATURES[2]))).encode(),
    ),
    "cosigned at another time": (
        f"{LOG_LINE}\n{WITNESS_LINE}\nquorum w",
        Note(TEXT, (SIGNATURES[0], replace(SIGNATURES[2], value=bytes(8) + SIGNATURES[2].value[8:]))).encode(),
    ),
}


@pytest.mark.parametrize("case", cases(CHECKED))
def test_a_checkpoint_that_does_not_meet_the_policy_is_refused(case: tuple[str, bytes]) -> None:
    text, data = case
    policy = parse_policy(text.encode())
    refuse(lambda: check_checkpoint(data, policy))
