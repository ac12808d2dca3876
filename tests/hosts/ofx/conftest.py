"""What the tests of the OFX plug-in share."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.ofx.driver import Built, Host, build, hosting

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the test host is for Linux")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run have in common."""
    if sys.platform != "linux":
        pytest.skip("the test host is for Linux")
    if not shutil.which("gcc"):
        pytest.skip("no gcc: the OFX plug-in and its test host cannot be compiled")
    base = tmp_path_factory.getbasetemp()
    return base.parent if (base.name.startswith("popen-")) else base


@pytest.fixture(scope="session")
def built(shared: Path) -> Built:
    """The plug-in and the host."""
    return build(shared)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A runtime folder with a short name, as the system's are: a socket's path has 108 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="tm-") as folder:
        yield Path(folder)


@pytest.fixture
def host(built: Built, tmp_path: Path, runtime: Path) -> Callable[..., AbstractContextManager[Host]]:
    """Start hosts that look for their engine in `runtime`."""

    def started(*prefix: str, **config: Any) -> AbstractContextManager[Host]:
        return hosting(built, tmp_path, runtime, *prefix, **config)

    return started
