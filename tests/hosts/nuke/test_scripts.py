"""The scripts that come of it: read by two parsers, read back, and rendered by a farm."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nkparser

from tests.hosts.nuke import fake_nuke, nk
from tests.hosts.nuke.conftest import starting
from tests.hosts.nuke.stage import FIRST, LAST, Stage


def everything(stage: Stage) -> str:
    """Return a script with all that we make."""
    m = stage.running.module("model")
    at = stage.running.of(stage.node)
    at.set_point(m.Point("", "hero", 1001, 0.25, 0.1))
    at.set_point(m.Point("", "hero", 1003, 0.5, 0.5, subject=False))
    at.set_box(m.Box("", "hero", 1002, 0.1, 0.1, 0.8, 0.8))
    at.say('say "this" [and] $that {too}')
    stage.give(("matte", ("left",), "left"), ("matte", ("right",), "right"))
    stage.deliver("cutout", "multi")
    for build in (("cutout",), ("blur", 20.0), ("blur", 9.0, "ZDefocus2"), ("despill",), ("layers",)):
        stage.build(*build)
    return stage.script()


def test_two_parsers_read_the_same_graph(stage: Stage) -> None:
    script = everything(stage)
    ours = nk.parse(script)
    outside, inside = levels(script)
    theirs = {**other(outside), **{f"Trackmatte.{k}": v for k, v in other(inside).items()}}
    theirs["Trackmatte"] = ("Group", *theirs["Trackmatte"][1:])
    assert len(ours.nodes) > 30
    assert flat(ours) == theirs


def test_a_script_read_back_is_the_same_script(stage: Stage, folder: Path) -> None:
    script, said = everything(stage), stage.running.of(stage.node).read()
    with starting(folder) as again:
        fake_nuke.script.read(script, again.nuke.root())
        assert flat(nk.parse(fake_nuke.script.write(again.nuke.root()))) == flat(nk.parse(script))
        at = again.of(again.nuke.toNode("Trackmatte"))
        assert repr(at.read()) == repr(said)


def test_a_farm_renders_it_without_trackmatte(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "shot.nk"
    path.write_text(everything(stage))
    with fake_nuke.started(gui=False) as farm:  # no folder of ours on its path, no window, no engine
        nuke = sys.modules["nuke"]
        nuke.scriptReadFile(str(path))
        write = nuke.nodes.Write()
        write["file"].setValue(f"{tmp_path}/out.%04d.exr")
        write["file_type"].setValue("exr")
        write.setInput(0, nuke.toNode("Trackmatte_blur"))
        nuke.execute(write, FIRST, LAST)
        assert farm.executed == [("Write1", FIRST, LAST)]
        assert not [n for n in sys.modules if n.startswith("trackmatte_nuke")]
    assert (tmp_path / "out.1003.exr").is_file()


def flat(graph: nk.Graph, above: str = "") -> dict[str, Any]:
    """Return a graph as {full name: (class, inputs, knobs)}."""
    found: dict[str, Any] = {}
    for name, item in graph.nodes.items():
        found[above + name] = (item.kind, item.inputs, item.knobs)
        if item.inside is not None:
            found.update(flat(item.inside, f"{above}{name}."))
    return found


def levels(script: str) -> tuple[str, str]:
    """Return a script with a plain node in place of its group, and what is in the group.

    nkparser 0.3 does not know groups as Nuke writes them: what stands before ``end_group`` and every knob in
    braces becomes a node of its own. Nor does it know ``addUserKnob``.
    """
    bare = re.sub(r"(?m)^ *addUserKnob .*\n", "", script)
    found = re.search(r"(?ms)^Group (\{\n.*?^\}\n)(.*?)^end_group\n", bare)
    assert found
    return f"{bare[: found.start()]}NoOp {found[1]}{bare[found.end() :]}", found[2]


def other(text: str) -> dict[str, Any]:
    """Return what nkparser makes of a script, as `flat` does."""
    found: dict[str, Any] = {}
    for node in nkparser.Script.from_string(text).nodes:
        knobs = {k.name: words(k.value.raw) for k in node.knobs if k.name != "inputs"}
        # It lists inputs deepest first.
        found[node.name] = (node.class_name, [n and n.name for n in reversed(node.inputs)], knobs)
    return found


def words(raw: str) -> Any:
    """Return a value as `nk` has it, from the text of it."""
    if raw.startswith("{"):
        return nk.parse(f"Dot {{\n name x\n value {raw}\n}}\n").nodes["x"].knobs["value"]
    text = raw[1:-1] if raw.startswith('"') else raw
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)
