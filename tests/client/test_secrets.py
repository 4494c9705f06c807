"""Nothing that looks like a secret gets into a record."""

from __future__ import annotations

import pytest

from studbook.client.capture.secrets import is_secret_name, mask_arguments, mask_text, strip_credentials


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        (["train.py", "--token", "abc", "--lr", "0.1"], ["train.py", "--token", "***", "--lr", "0.1"]),
        (["--hf-token=abc"], ["--hf-token=***"]),
        (["--apiKey", "abc"], ["--apiKey", "***"]),
        (["--api_key=abc=def"], ["--api_key=***"]),
        (["db.password=abc", "db.host=x"], ["db.password=***", "db.host=x"]),
        (["+secrets.aws/secret_key=abc"], ["+secrets.aws/secret_key=***"]),
        (["-key", "abc"], ["-key", "***"]),
        (["--password", "-abc"], ["--password", "***"]),
        (["--use-auth", "--lr", "1"], ["--use-auth", "--lr", "1"]),
        (["--tokenizer", "bert", "--max-tokens", "512"], ["--tokenizer", "bert", "--max-tokens", "512"]),
        (["--db", "postgresql://me:secret@host/db"], ["--db", "postgresql://***@host/db"]),
        (["hf_abcdefghijklmnopqrst"], ["***"]),
        (["-c", "login('abc')", "x"], ["-c", "<code>", "x"]),
        (["--password="], ["--password="]),
    ],
)
def test_arguments_are_masked(arguments: list[str], masked: list[str]) -> None:
    assert mask_arguments(arguments) == masked


@pytest.mark.parametrize("name", ["token", "HF_TOKEN", "accessToken", "api-key", "APIKey", "db.password", "client_secret"])
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["tokenizer", "max_tokens", "keyed", "learning_rate", "author", "passes"])
def test_other_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("401 for https://me:pw@host/x", "https://***@host/x", "pw@"),
        ("password='abc' failed", "failed", "abc"),
        ("Authorization: Bearer abc.def", "Authorization", "abc.def"),
        ('{"api_key": "abc"}', "api_key", "abc"),
        ("use sbk_0123456789abcdef now", "now", "0123456789"),
        ("KeyError: 'x'", "KeyError: 'x'", "***"),
    ],
)
def test_running_text_is_masked(text: str, kept: str, gone: str) -> None:
    masked = mask_text(text)
    assert kept in masked
    assert gone not in masked


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("https://me:pw@host.org/a/b.git", "https://host.org/a/b.git"),
        ("https://oauth2:glpat-x@host.org:8443/a.git?private_token=y#z", "https://host.org:8443/a.git"),
        ("https://token@host.org/a.git", "https://host.org/a.git"),
        ("ssh://git:pw@host.org/a.git", "ssh://git@host.org/a.git"),
        ("git@host.org:a/b.git", "git@host.org:a/b.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
    ],
)
def test_credentials_are_stripped_from_remotes(url: str, stripped: str) -> None:
    assert strip_credentials(url) == stripped
