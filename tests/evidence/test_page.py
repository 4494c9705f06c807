"""The page in a real browser, opened as a file: green for a good bundle only, and it asks the network for nothing."""

from __future__ import annotations

import base64
import os
import random
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from studbook.evidence.format import read_bundle
from studbook.evidence.page import SCRIPTS, verify_page
from studbook.evidence.verifying import verify_bundle
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Algorithm, Ed25519Signer, MlDsa44Signer, Note, VerifierKey, parse_note
from tests.evidence.making import Log, Story, model_record, packed, tell_story, zipped
from tests.evidence.tamperings import LOGGED, TAMPERINGS, Files, logged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 390, "height": 800}
DESK = {"width": 1280, "height": 900}
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(slots=True)
class Sheet:
    """The open page, with everything it asked for or complained of."""

    page: Page
    folder: Path
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def give(self, bundle: bytes | None, keys: str) -> None:
        """Fill in the form and start the check."""
        self.page.reload()
        if bundle is not None:
            (self.folder / "evidence.zip").write_bytes(bundle)
            self.page.get_by_label("Evidence bundle").set_input_files(self.folder / "evidence.zip")
        self.page.get_by_label("Public key of the log").fill(keys)
        self.page.get_by_role("button", name="Verify").click()

    def rows(self, place: Locator) -> list[str]:
        """The rows of the tables there, with the path of a member as in a JSON Pointer."""
        return [text.replace(" \u203a ", "/") for text in place.locator("tbody tr").all_inner_texts()]

    def verdict(self, bundle: bytes | None, keys: str) -> str:
        """What the page says in the end."""
        self.give(bundle, keys)
        self.page.wait_for_selector(".verdict.good, .verdict.bad")
        title: str = self.page.locator("#status h2").inner_text()
        assert (title == "Verified") == (self.page.locator(".verdict.good").count() == 1)
        assert title == "Verified" or title.startswith("NOT verified: ")
        return title


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        message = "there is no Chromium on this machine, so the evidence page was not tried in a browser"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    # A browser refuses its sandbox to root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sheet]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "verify.html").write_bytes(verify_page())
    page = browser.new_page(viewport=DESK)  # type: ignore[arg-type]
    sheet = Sheet(page, folder)
    page.on("request", lambda request: sheet.asked.append(request.url))
    page.on("console", lambda message: sheet.complaints.append(message.text))
    page.on("pageerror", lambda error: sheet.complaints.append(str(error)))
    page.goto((folder / "verify.html").as_uri())
    yield sheet
    page.close()


@pytest.fixture
def sheet(opened: Sheet) -> Iterator[Sheet]:
    """The page, which must have asked for nothing but itself and complained of nothing when the test is over."""
    yield opened
    assert set(opened.asked) <= {(opened.folder / "verify.html").as_uri()}
    assert opened.complaints == []


@pytest.fixture(scope="session")
def vkey(story: Story) -> str:
    return str(story.log.signer.verifier_key)


def test_a_good_bundle_is_verified(sheet: Sheet, story: Story, good: bytes, vkey: str) -> None:
    assert sheet.verdict(good, vkey) == "Verified"
    steps = sheet.page.locator("#steps li")
    assert steps.locator("b").all_text_contents() == [
        f"Passed: {title}"
        for title in (
            *("Files", "Signature", "Receipts", "Entries", "Chain of revisions", "Values beside the log"),
            *("Completeness", "Growth of the log"),
        )
    ]
    assert {item.get_attribute("class") for item in steps.all()} == {"good"}
    assert sheet.page.locator("#steps .fingerprint").text_content() == story.log.signer.verifier_key.fingerprint
    assert "After entry 5 of the log there may be revisions" in sheet.page.locator("#notes").inner_text()


def test_a_policy_asks_for_its_witnesses(sheet: Sheet, story: Story, good: bytes) -> None:
    assert sheet.verdict(good, story.log.policy) == "Verified"
    told = sheet.page.locator("#steps").inner_text()
    assert "The quorum 'w1' of the policy has cosigned the checkpoint: witness.example.org/w1 (2026-09-21 14:13 UTC)." in told
    alone = story.bundle(checkpoint=story.log.checkpoint(cosigned=False))
    assert "lacks the cosignatures of the policy's quorum 'w1'" in sheet.verdict(alone, story.log.policy)


def test_the_history_is_shown(sheet: Sheet, good: bytes, vkey: str) -> None:
    sheet.verdict(good, vkey)
    version, model = sheet.page.locator("#histories section").all()
    assert version.locator("h2").inner_text() == "models/churn/versions/3"
    first, second = version.locator(".revisions > li").all()
    assert first.locator("h3").inner_text().split() == ["Model", "version", "registered", "model_version.registered"]
    assert "2026-03-04 09:30:00 UTC · by tokens/ci (token) · revision 1 · entry 3" in first.inner_text()
    # Whatever stands in a bundle is text, and numbers are those of RFC 8785.
    rows = sheet.rows(first)
    assert "description\tgradient boosting, <b>March</b> data" in rows
    assert {"parameters/ratio\t1e+21", "parameters/seed\t0", "metrics/1/value\t1e-7", "parameters/épée\tü𝄞"} <= set(rows)
    assert "attributes/reviewer personal\tGrace Auditor" in rows
    assert any(row.startswith("attributes/notes\txxx") and row.endswith("… (70,000 characters)") for row in rows)
    assert sheet.rows(second) == ["tags/approved\t—\tyes"]
    erasure = sheet.rows(model.locator(".revisions > li").nth(2))
    assert erasure[:2] == ["owners/0/email personal\tada@example.org\tnull", "reason\tasked for"]
    assert sheet.rows(model.locator(".revisions > li").nth(0))[:2] == [
        "owners/0/email personal\terased",
        "owners/0/name personal\tAda Quant",
    ]
    second.get_by_text("The whole record after this event").click()
    assert '"approved": "yes"' in second.locator("pre").inner_text()


def test_values_that_are_not_disclosed_are_told(sheet: Sheet, story: Story, vkey: str) -> None:
    assert sheet.verdict(story.bundle(personal=[]), vkey) == "Verified"
    assert "6 personal values not disclosed" in sheet.page.locator("#notes").inner_text()
    assert sheet.page.locator("#histories .chip", has_text="not disclosed").count() > 2


def test_a_bundle_without_snapshot_and_earlier_checkpoint_says_so(sheet: Sheet, vkey: str, files: Files) -> None:
    gone = {"snapshot.json", "entries/5.json", "proofs/5.tlog-proof", "checkpoint.prev", "consistency"}
    assert sheet.verdict(zipped({name: data for name, data in files.items() if name not in gone}), vkey) == "Verified"
    assert "There is no snapshot in the bundle" in sheet.page.locator("#notes").inner_text()
    assert "Completeness" not in sheet.page.locator("#steps").inner_text()


def test_a_later_shard_says_that_it_begins_later(sheet: Sheet, story: Story) -> None:
    log = Log(story.log.origin + "/2", Ed25519Signer.generate(story.log.origin + "/2"))
    log.heads, log.events = dict(story.log.heads), story.log.events
    assert sheet.verdict(tell_story(log).bundle(), str(log.signer.verifier_key)) == "Verified"
    assert "models/churn/versions/3 begins here with revision 3" in sheet.page.locator("#notes").inner_text()


def test_a_long_record_is_shown_in_parts(sheet: Sheet) -> None:
    log = Log()
    story = tell_story(log)
    log.add("model.changed", model_record(tags={f"tag-{number}": "x" for number in range(60)}))
    assert sheet.verdict(story.bundle(), str(log.signer.verifier_key)) == "Verified"
    last = sheet.page.locator(".revisions > li").last
    assert last.locator("tbody tr").count() == 40
    last.get_by_role("button", name=re.compile("Show .* more")).click()
    assert last.locator("tbody tr").count() > 60


def test_a_second_signature_of_another_algorithm_is_passed_over(sheet: Sheet, story: Story, vkey: str) -> None:
    post_quantum = MlDsa44Signer.generate(story.log.origin)
    note = parse_note(story.log.checkpoint())
    bundle = story.bundle(checkpoint=Note(note.text, (*note.signatures, post_quantum.sign(note.text))).encode())
    assert sheet.verdict(bundle, vkey) == "Verified"
    assert sheet.verdict(bundle, f"{vkey}\n{post_quantum.verifier_key}") == "Verified"
    assert "ML-DSA-44 alone, which this page cannot check" in sheet.verdict(bundle, str(post_quantum.verifier_key))


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(sheet: Sheet, files: Files, vkey: str, name: str) -> None:
    change, _ = TAMPERINGS[name]
    title = sheet.verdict(zipped(change(dict(files))), vkey)
    assert title.startswith("NOT verified: ")
    assert "could not be finished" not in title
    assert sheet.page.locator("#histories").inner_text() == ""
    # What comes after the fault was not checked, and is said not to be.
    kinds = " ".join(item.get_attribute("class") or "" for item in sheet.page.locator("#steps li").all())
    assert re.fullmatch("((good )*bad( open)*)?", kinds)


@pytest.mark.parametrize("name", LOGGED)
def test_a_log_that_says_something_wrong_is_found(sheet: Sheet, name: str) -> None:
    data, key = logged(LOGGED[name][0])
    title = sheet.verdict(data, str(key))
    assert title.startswith("NOT verified: ")
    assert "could not be finished" not in title


def test_the_page_and_the_library_judge_random_damage_alike(sheet: Sheet, story: Story, files: Files, vkey: str) -> None:
    # A short page makes small bundles, so that damage hits what matters.
    files = {**files, "verify.html": b"<p>", "README.txt": b"text"}
    chance = random.Random(20260301)
    judged = {True: 0, False: 0}
    for _ in range(120):
        name = chance.choice(list(files))
        start = chance.randrange(len(files[name]))
        end = start + chance.choice([0, 1, 2, 20])
        new = chance.choice(
            [b"", b"0", b"null", b"\n\n", b"=", b"\xff", bytes([chance.randrange(256)]), files[name][start:end] * 2]
        )
        data = {**files, name: files[name][:start] + new + files[name][end:]}
        bundle = zipped(data, honest_manifest=name != "manifest.json")
        title = sheet.verdict(bundle, vkey)
        assert (title == "Verified") == holds(bundle, story.log.signer.verifier_key), (name, start, end, new, title)
        assert "could not be finished" not in title
        judged[title == "Verified"] += 1
    assert min(judged.values()) > 5


def holds(bundle: bytes, key: VerifierKey) -> bool:
    try:
        verify_bundle(read_bundle(bundle), [key])
    except VerificationError:
        return False
    return True


def test_what_is_no_bundle_is_refused(sheet: Sheet, good: bytes, vkey: str, files: Files) -> None:
    assert "not a zip file" in sheet.verdict(b"no zip", vkey)
    assert "damaged or cut-off" in sheet.verdict(good[:-100], vkey)
    assert "which no evidence bundle has" in sheet.verdict(zipped({**files, "x.txt": b""}), vkey)
    assert "leads elsewhere" in sheet.verdict(zipped({**files, "../x": b""}), vkey)
    lacking = zipped({name: data for name, data in files.items() if name != "policy"})
    assert "lacks the file policy" in sheet.verdict(lacking, vkey)
    altered = zipped({**files, "policy": b""}, honest_manifest=False)
    assert "the file policy is not the one that the manifest names" in sheet.verdict(altered, vkey)
    bomb = packed(*((f"entries/{number}.json", bytes(2**25)) for number in range(9)))
    assert "unpacks to more than 256 MiB" in sheet.verdict(bomb, vkey)
    assert "no bundle was chosen" in sheet.verdict(None, vkey)


def test_a_wrong_key_does_not_verify(sheet: Sheet, story: Story, good: bytes, vkey: str) -> None:
    origin = story.log.origin
    assert "no known key has signed" in sheet.verdict(good, str(Ed25519Signer.generate(origin).verifier_key))
    assert f"no known key of the log {origin} has signed" in sheet.verdict(good, str(story.log.witness.verifier_key))
    assert "no key was given" in sheet.verdict(good, " \n")
    assert "a verifier key is NAME+ID+KEY" in sheet.verdict(good, "hello")
    assert "not base64" in sheet.verdict(good, vkey + "!")
    assert "id is not that of its name and key" in sheet.verdict(good, vkey.replace("registry", "mirror"))
    assert "line 1 of the policy" in sheet.verdict(good, "log hello\nquorum none")
    assert "has no quorum line" in sheet.verdict(good, f"log {vkey}")


WEAK_POINTS = [bytes(32), b"\1" + bytes(31), b"\xed" + b"\xff" * 30 + b"\x7f", b"\xee" + b"\xff" * 31]


@pytest.mark.parametrize("point", WEAK_POINTS, ids=["zero", "one", "p", "p plus one"])
def test_a_key_under_which_anything_verifies_is_refused(sheet: Sheet, story: Story, good: bytes, point: bytes) -> None:
    key = VerifierKey(story.log.origin, Algorithm.ED25519, point)
    assert "no proper Ed25519 key" in sheet.verdict(good, str(key))


def test_a_signature_in_another_form_is_refused(sheet: Sheet, story: Story, vkey: str) -> None:
    """Adding the order of the group to the number in a signature gives one that careless verifiers accept, too."""
    note = parse_note(story.log.checkpoint(cosigned=False))
    (signature,) = note.signatures
    number = int.from_bytes(signature.value[32:], "little") + GROUP_ORDER
    again = type(signature)(signature.name, signature.key_id, signature.value[:32] + number.to_bytes(32, "little"))
    assert "does not verify" in sheet.verdict(story.bundle(checkpoint=Note(note.text, (again,)).encode()), vkey)


def test_a_verdict_goes_away_with_what_it_was_about(sheet: Sheet, good: bytes, vkey: str) -> None:
    sheet.verdict(good, vkey)
    sheet.page.get_by_label("Public key of the log").press_sequentially("x")
    assert sheet.page.locator("#status").inner_text() == ""
    assert not sheet.page.locator("#results").is_visible()
    sheet.page.get_by_label("Public key of the log").fill(vkey)
    (sheet.folder / "other.zip").write_bytes(good[:-1])
    sheet.page.get_by_label("Evidence bundle").set_input_files(sheet.folder / "other.zip")
    sheet.page.wait_for_selector(".verdict.bad")
    assert sheet.page.locator("#histories").inner_text() == ""


def test_fingerprints_are_shown_as_the_keys_are_given(sheet: Sheet, story: Story, vkey: str) -> None:
    sheet.page.reload()
    sheet.page.get_by_label("Public key of the log").fill(story.log.policy)
    shown = sheet.page.locator("#keys .fingerprint")
    shown.nth(1).wait_for()
    assert shown.all_text_contents() == [story.log.signer.verifier_key.fingerprint, story.log.witness.verifier_key.fingerprint]
    sheet.page.get_by_label("Public key of the log").fill(vkey[:-4])
    sheet.page.wait_for_selector("#keys .wrong")


def test_the_bundle_can_be_dropped_and_the_keyboard_is_enough(sheet: Sheet, good: bytes, vkey: str) -> None:
    page = sheet.page
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    page.keyboard.press("Tab")
    page.keyboard.insert_text(vkey)
    dropping = """(encoded) => {
        const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "dropped.zip"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(dropping, base64.b64encode(good).decode())
    page.wait_for_selector(".verdict.good")
    assert "dropped.zip" in page.locator("#chosen").inner_text()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "verify"
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict.good")


def test_a_reader_is_told_the_verdict(sheet: Sheet, good: bytes, vkey: str) -> None:
    sheet.verdict(good, vkey)
    assert "Verified" in sheet.page.get_by_role("status").inner_text()
    assert sheet.page.get_by_role("heading", name="What was checked").count() == 1
    assert sheet.page.get_by_role("table").count() == 6
    assert sheet.page.get_by_role("cell", name="Grace Auditor").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_sticks_out_at_any_width(sheet: Sheet, good: bytes, vkey: str, scheme: str, size: dict[str, int]) -> None:
    sheet.page.set_viewport_size(size)  # type: ignore[arg-type]
    sheet.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sheet.verdict(good, vkey)
    assert sheet.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    sheet.page.set_viewport_size(DESK)  # type: ignore[arg-type]


def test_the_page_may_load_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "verify.html").write_bytes(verify_page())
    page = browser.new_page()
    page.goto((tmp_path / "verify.html").as_uri())
    for attempt in ("fetch('data:,x')", "import('data:text/javascript,1')"):
        assert page.evaluate(f"{attempt}.then(() => 'loaded', () => 'refused')") == "refused"
    page.close()


def test_every_script_of_the_folder_stands_in_the_page_once() -> None:
    from importlib.resources import files

    folder = files("studbook.evidence.page")
    assert sorted(SCRIPTS) == sorted(part.name for part in folder.iterdir() if part.name.endswith(".js"))
    text = verify_page().decode()
    assert all(text.count(folder.joinpath(name).read_text()) == 1 for name in SCRIPTS)
    assert "@script" not in text
    assert "@style" not in text
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    assert text.count("<script>") == text.count("</script>") == 1
