"""The self-test for a user's real Nuke, run in the fake; and the starts that must not fail."""

from __future__ import annotations

import re
from pathlib import Path

from tests.hosts.nuke import fake_nuke
from tests.hosts.nuke.conftest import Nuke


def test_the_selftest_writes_a_report_and_leaves_the_script_alone(running: Nuke, tmp_path: Path) -> None:
    node = running.node()
    running.nuke.frame(77)
    before = fake_nuke.script.write(running.nuke.root())
    path = Path(running.module("selftest").run(str(tmp_path)))
    fake_nuke.pump(lambda: "threads reach" in path.read_text())
    report = path.read_text()
    assert path.name == "trackmatte_selftest_14.0v5.txt"
    assert "FAIL" not in report, report
    assert report.endswith("all good\n")
    assert len(re.findall("^ok ", report, re.MULTILINE)) >= 30
    assert fake_nuke.script.write(running.nuke.root()) == before
    assert (running.state.undo, running.nuke.frame()) == ([], 77)
    assert running.of(node).alive()


def test_the_selftest_knows_every_knob_of_the_node(running: Nuke) -> None:
    """A later Nuke may have one of its own by such a name."""
    own = running.module("selftest").OWN
    found: dict[str, set[str]] = {}
    for name, knob in running.node().knobs().items():
        if knob._user and knob.Class() != "Tab_Knob" and not name.startswith("line"):
            found.setdefault(knob.Class(), set()).add(name)
    assert {kind: set(names) for kind, names in own.items()} == found


def test_a_name_that_nuke_has_taken_is_reported(running: Nuke, tmp_path: Path) -> None:
    create = running.nuke.createNode

    def taken(*what: str, **how: object) -> object:
        node = create(*what, **how)
        node.knob_table["open_panel"] = node.knob_table["panel"]
        return node

    running.nuke.createNode = taken
    report = Path(running.module("selftest").run(str(tmp_path))).read_text()
    assert "FAIL the node has its knobs" in report
    assert "'open_panel': 'Boolean_Knob'" in report
