"""What all tests share."""

from __future__ import annotations

import cv2
import pytest

from tests import fake

cv2.setNumThreads(2)


@pytest.fixture(autouse=True, scope="session")
def fake_tracker() -> None:
    """Know the tracker of tests/fake.py."""
    fake.register()
