"""One bridge for each file of tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests import ofx_wire as w
from tests.contract.ofx.prepared import SESSION
from tests.engines import wait_for
from tests.ofx_engine import BOX, Bridged, bridged, held, push, settles
from tests.ofx_wire import Plugin


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bridged]:
    """Yield a bridge; where the file says ``PREPARED``, with a session of three frames that is matted."""
    with bridged(tmp_path_factory.mktemp("ofx")) as bridge:
        if hasattr(request.module, "PREPARED"):
            with bridge.plugin() as plugin:
                plugin.open(SESSION)
                plugin.prompts(SESSION, boxes=[{"frame": 1, **BOX}])
                push(plugin, SESSION, range(1, 4))
                plugin.run(w.TRACK, SESSION, 1, 3)
                plugin.run(w.REFINE, SESSION, 1, 3)
        yield bridge


@pytest.fixture
def plugin(bridge: Bridged) -> Iterator[Plugin]:
    with bridge.plugin() as plugin:
        yield plugin


@pytest.fixture
def session() -> str:
    return str(uuid.uuid4())


@pytest.fixture(autouse=True)
def nothing_is_left(bridge: Bridged, request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare what the process holds before and after each test of the wire."""
    before = None
    if hasattr(request.module, "PREPARED") and "plugin" not in request.fixturenames:
        wait_for(lambda: held().threads == 0)
        before = held()
    yield
    if before is not None:
        assert not settles(before).more_than(before)
        assert bridge.sock.exists()
