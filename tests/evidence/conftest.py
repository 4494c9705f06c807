"""One story for all tests of a module: its log is only read by them."""

from __future__ import annotations

import pytest

from studbook.merkle.policy import Policy, parse_policy
from tests.evidence.making import Story, files_of, tell_story


@pytest.fixture(scope="session")
def story() -> Story:
    return tell_story()


@pytest.fixture(scope="session")
def policy(story: Story) -> Policy:
    return parse_policy(story.log.policy.encode())


@pytest.fixture(scope="session")
def good(story: Story) -> bytes:
    return story.bundle()


@pytest.fixture(scope="session")
def files(good: bytes) -> dict[str, bytes]:
    return files_of(good)
