"""Malformed numbers, base64, keys, notes and checkpoints are refused, each in its own way and always with VerificationError."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, parse_decimal
from studbook.merkle.notes import NOTE_LIMIT, Algorithm, Note, Signature, VerifierKey, decode_base64, parse_note, parse_vkey
from studbook.merkle.policy import check_checkpoint, parse_policy
from studbook.merkle.receipt import Receipt, parse_receipt, verify_receipt
from tests.merkle.making import (
    CONTROLS,
    ENTRIES,
    HUGE,
    IMPOSTOR,
    INDEX,
    KEYS,
    LOG,
    ORIGIN,
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
    altered,
    cases,
    flipped,
    keys_of,
    lenient,
    refuse,
    signed,
    vkey,
)

NUMBERS = {
    "empty": "",
    "leading zero": "01",
    "zeros": "00",
    "plus": "+1",
    "minus": "-1",
    "minus zero": "-0",
    "space before": " 1",
    "space after": "1 ",
    "break after": "1\n",
    "underscore": "1_0",
    "point": "1.0",
    "exponent": "1e3",
    "hexadecimal": "0x1",
    "letters": "one",
    "digits of another script": "\u0661",
    "digit above the line": "\u00b2",
    "2^63": TOO_LARGE,
    "2^64": str(2**64),
    "nineteen nines": "9" * 19,
    "hundreds of digits": HUGE,
    "more digits than Python reads": "9" * 10_000,
    "surrogate": "\ud800",
    "doubled": "1 1",
}


@pytest.mark.parametrize("text", cases(NUMBERS))
def test_what_is_no_number_in_its_one_form_is_refused(text: str) -> None:
    refuse(lambda: parse_decimal(text, "a number"))


def test_the_largest_number_is_read() -> None:
    assert parse_decimal(str(2**63 - 1), "a number") == 2**63 - 1
    assert parse_decimal("0", "a number") == 0


BASE64 = {
    "one character": "A",
    "padding missing": "AA",
    "padding half": "AA=",
    "padding too long": "AAA==",
    "padding alone": "====",
    "padding in between": "AA==AAAA",
    "four paddings after": "AAAA====",
    "last bits not zero after one byte": "AB==",
    "last bits not zero after two bytes": "AAB=",
    "url alphabet": "-_-_",
    "space": "AA AA",
    "break after": "AAAA\n",
    "break in between": "AAAA\nAAAA",
    "nul": "AAAA\0",
    "stars": "****",
    "not ASCII": "\u00c4\u00c4\u00c4\u00c4",
    "wide letters": "\uff21\uff21\uff21\uff21",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("text", cases(BASE64))
def test_what_is_not_base64_in_its_one_form_is_refused(text: str) -> None:
    refuse(lambda: decode_base64(text, "it"))


KEY = str(LOG.verifier_key)
NAME, ID, ENCODED = KEY.split("+", 2)
VKEYS = {
    "empty": "",
    "name alone": NAME,
    "key missing": f"{NAME}+{ID}",
    "key empty": f"{NAME}+{ID}+",
    "name empty": vkey("", b"\x01" + LOG.verifier_key.key),
    "name with a space": vkey("a b", b"\x01" + LOG.verifier_key.key),
    "name with a break": vkey("a\nb", b"\x01" + LOG.verifier_key.key),
    "name with a wide space": vkey("a\u3000b", b"\x01" + LOG.verifier_key.key),
    "name of a surrogate": KEY.replace(NAME, "\ud800"),
    "another name": f"{NAME}x+{ID}+{ENCODED}",
    "id empty": f"{NAME}++{ENCODED}",
    "id cut": f"{NAME}+{ID[:-1]}+{ENCODED}",
    "id too long": f"{NAME}+{ID}0+{ENCODED}",
    "id of another key": f"{NAME}+{IMPOSTOR.verifier_key.key_id.hex()}+{ENCODED}",
    "id in capitals": f"{NAME}+{ID.upper()}+{ENCODED}",
    "id as a number": f"{NAME}+0x{ID}+{ENCODED}",
    "id of a surrogate": f"{NAME}+\ud800+{ENCODED}",
    "key of another": f"{NAME}+{ID}+{str(IMPOSTOR.verifier_key).split('+', 2)[2]}",
    "key flipped": f"{NAME}+{ID}+{base64.b64encode(flipped(base64.b64decode(ENCODED), 80)).decode()}",
    "key cut": KEY[:-4],
    "key's base64 cut": KEY[:-1],
    "key not base64": f"{NAME}+{ID}+!{ENCODED[1:]}",
    "key doubled": f"{KEY}{ENCODED}",
    "all doubled": KEY + KEY,
    "a fourth part": KEY + "+x",
    "space before": " " + KEY,
    "space after": KEY + " ",
    "break after": KEY + "\n",
    "key without a type": vkey(NAME, b""),
    "key of its type alone": vkey(NAME, b"\x01"),
    "key a byte short": vkey(NAME, b"\x01" + LOG.verifier_key.key[:-1]),
    "key a byte long": vkey(NAME, b"\x01" + LOG.verifier_key.key + b"\0"),
    "key of the other length": vkey(NAME, b"\x06" + LOG.verifier_key.key),
    "key of the length of ML-DSA": vkey(NAME, b"\x01" + QUANTUM.verifier_key.key),
    "ML-DSA key a byte short": vkey(NAME, b"\x06" + QUANTUM.verifier_key.key[:-1]),
    "ML-DSA key with last bits that are not zero": "+".join(
        [*str(QUANTUM.verifier_key).split("+", 2)[:2], lenient(str(QUANTUM.verifier_key).split("+", 2)[2])]
    ),
    **{
        f"algorithm {kind}": vkey(NAME, bytes([kind]) + LOG.verifier_key.key)
        for kind in range(256)
        if kind in {0, 2, 3, 5, 7, 255}
    },
}


@pytest.mark.parametrize("text", cases(VKEYS))
def test_a_malformed_verifier_key_is_refused(text: str) -> None:
    refuse(lambda: parse_vkey(text))


BLOB = base64.b64encode(SIGNATURES[0].key_id + SIGNATURES[0].value).decode()
LINE = SIGNATURES[0].line
DASH = "\u2014 "


def note(*lines: str, text: bytes = TEXT) -> bytes:
    return text + b"\n" + "".join(line + "\n" for line in lines).encode()


SIGNATURE_LINES = {
    "dash alone": DASH,
    "dash without space": LINE.replace(DASH, "\u2014", 1),
    "hyphen": LINE.replace("\u2014", "-", 1),
    "shorter dash": LINE.replace("\u2014", "\u2013", 1),
    "dash doubled": DASH + LINE,
    "space before": " " + LINE,
    "space after": LINE + " ",
    "name alone": f"{DASH}{ORIGIN}",
    "name and space": f"{DASH}{ORIGIN} ",
    "name missing": DASH + BLOB,
    "name empty": f"{DASH} {BLOB}",
    "name with a plus": f"{DASH}a+b {BLOB}",
    "name with a space": f"{DASH}a b {BLOB}",
    "name with a space that does not break": f"{DASH}a\u00a0b {BLOB}",
    "name with a separator of lines": f"{DASH}a\u2028b {BLOB}",
    "name with next line": f"{DASH}a\x85b {BLOB}",
    "spaces doubled": f"{DASH}{ORIGIN}  {BLOB}",
    "not base64": f"{DASH}{ORIGIN} !{BLOB[1:]}",
    "url alphabet": f"{DASH}{ORIGIN} -_{BLOB[2:]}",
    "base64 cut": LINE[:-1],
    "padding missing": f"{DASH}{ORIGIN} {base64.b64encode(b'12345').decode().rstrip('=')}",
    "last bits not zero": f"{DASH}{ORIGIN} {lenient(base64.b64encode(b'12345').decode())}",
    "base64 not ASCII": f"{DASH}{ORIGIN} \uff21{BLOB[1:]}",
    "no bytes": f"{DASH}{ORIGIN} {base64.b64encode(b'').decode()}",
    "cut within the key id": f"{DASH}{ORIGIN} {base64.b64encode(SIGNATURES[0].key_id[:3]).decode()}",
    "key id alone": f"{DASH}{ORIGIN} {base64.b64encode(SIGNATURES[0].key_id).decode()}",
    "doubled on one line": LINE + LINE,
    "doubled with a space": f"{LINE} {LINE}",
    "comment after": LINE + " # signed",
    **{f"control character {name}": f"{LINE}{character}" for name, character in CONTROLS.items()},
}


@pytest.mark.parametrize("line", cases(SIGNATURE_LINES))
def test_a_malformed_signature_line_refuses_the_note(line: str) -> None:
    for lines in ((line,), (LINE, line), (line, LINE)):
        refuse(lambda lines=lines: parse_note(note(*lines)))
        refuse(lambda lines=lines: open_checkpoint(note(*lines), KEYS))


NOTES = {
    "empty": b"",
    "break": b"\n",
    "breaks": b"\n\n\n",
    "text alone": TEXT,
    "text and blank line": TEXT + b"\n",
    "signature alone": LINE.encode() + b"\n",
    "break and signature": b"\n" + LINE.encode() + b"\n",
    "no blank line": TEXT + LINE.encode() + b"\n",
    "last break missing": SIGNED[:-1],
    "last signature cut": SIGNED[:-3] + b"\n",
    "signature line empty": note(""),
    "last signature line empty": note(LINE, ""),
    "blank line after": SIGNED + b"\n",
    "text after": SIGNED + b"text\n",
    "break of another system": SIGNED.replace(b"\n", b"\r\n"),
    "old breaks": SIGNED.replace(b"\n", b"\r"),
    "byte order mark of UTF-16": b"\xff\xfe" + SIGNED,
    "UTF-16": SIGNED.decode().encode("utf-16"),
    "Latin-1": note(LINE, text=b"log \xe4\n"),
    "not UTF-8 at its end": SIGNED + b"\xe2\x80",
    "overlong UTF-8": note(LINE, text=b"\xc0\xaf\n"),
    "surrogate in UTF-8": note(LINE, text=b"\xed\xa0\x80\n"),
    "bytes": bytes(range(256)),
    "too large text": b"x" * NOTE_LIMIT + b"\n" + SIGNED,
    "one byte too large": b"x" * (NOTE_LIMIT - len(SIGNED)) + b"\n" + SIGNED,
    "too large signature": note(Signature("a", b"1234", bytes(NOTE_LIMIT)).line),
    "101 signatures": note(*[LINE] * 101),
    "thousands of signatures": note(*[f"{DASH}a AAAAAAA="] * 50_000),
    **{
        f"control character {name} in the text": note(LINE, text=b"a" + character.encode() + b"\n")
        for name, character in CONTROLS.items()
    },
    **{f"control character {name} at the start": character.encode() + SIGNED for name, character in CONTROLS.items()},
}


@pytest.mark.parametrize("data", cases(NOTES))
def test_a_malformed_note_is_refused(data: bytes) -> None:
    refuse(lambda: parse_note(data))
    refuse(lambda: open_checkpoint(data, KEYS))
    refuse(lambda: parse_receipt(Receipt(INDEX, tuple(PROOF), data).encode()))


def test_the_largest_note_and_a_hundred_signatures_are_read() -> None:
    text = b"x" * (NOTE_LIMIT - len(note(LINE, text=b"\n"))) + b"\n"
    assert len(note(LINE, text=text)) == NOTE_LIMIT
    assert parse_note(note(LINE, text=text)).text == text
    assert len(parse_note(note(*[LINE] * 100)).signatures) == 100


TRUTH = base64.b64encode(ROOT).decode()
CHECKPOINTS = {
    "empty": "",
    "break": "\n",
    "origin alone": f"{ORIGIN}\n",
    "root missing": f"{ORIGIN}\n{SIZE}\n",
    "last break missing": f"{ORIGIN}\n{SIZE}\n{TRUTH}",
    "origin missing": f"{SIZE}\n{TRUTH}\n",
    "origin empty": f"\n{SIZE}\n{TRUTH}\n",
    "size missing": f"{ORIGIN}\n{TRUTH}\n",
    "size empty": f"{ORIGIN}\n\n{TRUTH}\n",
    "size and root exchanged": f"{ORIGIN}\n{TRUTH}\n{SIZE}\n",
    "size with a leading zero": f"{ORIGIN}\n0{SIZE}\n{TRUTH}\n",
    "size negative": f"{ORIGIN}\n-{SIZE}\n{TRUTH}\n",
    "size with a sign": f"{ORIGIN}\n+{SIZE}\n{TRUTH}\n",
    "size with a space": f"{ORIGIN}\n{SIZE} \n{TRUTH}\n",
    "size in letters": f"{ORIGIN}\nthirteen\n{TRUTH}\n",
    "size hexadecimal": f"{ORIGIN}\n0x0d\n{TRUTH}\n",
    "size of another script": f"{ORIGIN}\n\u0661\u0663\n{TRUTH}\n",
    "size 2^63": f"{ORIGIN}\n{TOO_LARGE}\n{TRUTH}\n",
    "size huge": f"{ORIGIN}\n{HUGE}\n{TRUTH}\n",
    "root empty": f"{ORIGIN}\n{SIZE}\n\n",
    "root cut": f"{ORIGIN}\n{SIZE}\n{base64.b64encode(ROOT[:-1]).decode()}\n",
    "root too long": f"{ORIGIN}\n{SIZE}\n{base64.b64encode(ROOT + b'x').decode()}\n",
    "root doubled": f"{ORIGIN}\n{SIZE}\n{TRUTH}{TRUTH}\n",
    "root hexadecimal": f"{ORIGIN}\n{SIZE}\n{ROOT.hex()}\n",
    "root in another alphabet": f"{ORIGIN}\n{SIZE}\n{base64.urlsafe_b64encode(bytes([255]) * 32).decode()}\n",
    "root without padding": f"{ORIGIN}\n{SIZE}\n{TRUTH.rstrip('=')}\n",
    "root with last bits that are not zero": f"{ORIGIN}\n{SIZE}\n{lenient(TRUTH)}\n",
    "root with a space": f"{ORIGIN}\n{SIZE}\n{TRUTH} \n",
    "extension empty": f"{ORIGIN}\n{SIZE}\n{TRUTH}\n\n",
    "extension empty in between": f"{ORIGIN}\n{SIZE}\n{TRUTH}\none\n\ntwo\n",
    "extension not ended": f"{ORIGIN}\n{SIZE}\n{TRUTH}\none",
    "blank line before": f"\n{ORIGIN}\n{SIZE}\n{TRUTH}\n",
}


@pytest.mark.parametrize("text", cases(CHECKPOINTS))
def test_a_malformed_checkpoint_is_refused_even_if_it_is_signed(text: str) -> None:
    refuse(lambda: parse_checkpoint(text.encode()))
    refuse(lambda: open_checkpoint(signed(text.encode()), KEYS))
    refuse(lambda: QUANTUM.sign(text.encode()))
    refuse(lambda: QUANTUM.verifier_key.verify(text.encode(), SIGNATURES[1].value))
    refuse(lambda: check_checkpoint(signed(text.encode()), parse_policy(f"log {LOG.verifier_key}\nquorum none".encode())))


@pytest.mark.parametrize(
    "text", cases({"bytes": b"\xff\n1\n2\n", "cut character": TEXT + b"\xe2\x80\n", "UTF-16": TEXT.decode().encode("utf-16")})
)
def test_a_checkpoint_that_is_not_text_is_refused(text: bytes) -> None:
    refuse(lambda: parse_checkpoint(text))


SHORT = Note(TEXT, SIGNATURES[:1])
UNOPENED = {
    "doubled": (SIGNED + SIGNED, KEYS, None),
    "doubled with a line between": (SIGNED + b"\n" + SIGNED, KEYS, None),
    "other origin": (SIGNED, KEYS, "log.example/other"),
    "origin empty": (SIGNED, KEYS, ""),
    "origin cut": (SIGNED, KEYS, ORIGIN[:-1]),
    "no keys": (SIGNED, [], None),
    "other key": (SIGNED, keys_of(IMPOSTOR), None),
    "same key under another name": (SIGNED, [replace(LOG.verifier_key, name="other.example")], None),
    "same key of another kind": (SIGNED, [replace(LOG.verifier_key, algorithm=Algorithm.COSIGNATURE_ED25519)], None),
    "signed by strangers alone": (Note(TEXT, (STRANGER.sign(TEXT), IMPOSTOR.sign(TEXT))).encode(), KEYS, None),
    "signature of another text": (Note(Checkpoint(ORIGIN, 1, ROOT).text, SIGNATURES).encode(), KEYS, None),
    "other size": (SIGNED.replace(b"\n13\n", b"\n14\n", 1), KEYS, None),
    "other root": (SIGNED.replace(TRUTH.encode(), base64.b64encode(flipped(ROOT))), KEYS, None),
    "other text under the same signatures": (SIGNED.replace(b"log", b"dog", 1), KEYS, None),
    "extension added": (Note(TEXT + b"extension\n", SIGNATURES).encode(), KEYS, None),
    "empty line added": (Note(TEXT + b"\n", SIGNATURES).encode(), KEYS, None),
    "signature under another name": (Note(TEXT, (replace(SIGNATURES[0], name="other"),)).encode(), KEYS, None),
    "signature under another id": (Note(TEXT, (replace(SIGNATURES[0], key_id=b"1234"),)).encode(), KEYS, None),
    "signature under the id of ML-DSA": (Note(TEXT, (replace(SIGNATURES[0], key_id=SIGNATURES[1].key_id),)).encode(), KEYS, None),
    "ML-DSA signature under the log's id": (
        Note(TEXT, (replace(SIGNATURES[1], key_id=SIGNATURES[0].key_id),)).encode(),
        KEYS,
        None,
    ),
    **{
        f"signature {number} {what}": (Note(TEXT, (*SIGNATURES[:number], change, *SIGNATURES[number + 1 :])).encode(), KEYS, None)
        for number, good in enumerate(SIGNATURES[:3])
        for what, change in {
            "flipped": altered(good),
            "of one byte": replace(good, value=b"x"),
            "cut": replace(good, value=good.value[:-1]),
            "too long": replace(good, value=good.value + b"\0"),
            "doubled": replace(good, value=good.value * 2),
            "of zeros": replace(good, value=bytes(len(good.value))),
            "at another time": replace(good, value=flipped(good.value[:8]) + good.value[8:]),
        }.items()
    },
}


@pytest.mark.parametrize("opening", cases(UNOPENED))
def test_a_checkpoint_that_no_known_key_vouches_for_is_not_opened(opening: tuple[bytes, list[VerifierKey], str | None]) -> None:
    refuse(lambda: open_checkpoint(*opening))
    data, keys, origin = opening
    refuse(lambda: verify_receipt(replace(RECEIPT, checkpoint=data), ENTRIES[INDEX], keys, origin))
