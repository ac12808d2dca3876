"""The fake Nuke: it refuses what Nuke does not have, and has nothing that Nuke's types do not know."""

from __future__ import annotations

import ast
import inspect
import sys
import threading
from collections.abc import Callable
from importlib.metadata import files as installed
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.nuke import fake_nuke, nk
from tests.hosts.nuke.conftest import HOST, Nuke
from tests.hosts.nuke.fake_nuke import api, knobs, nodes, tables

Arguments = list[str] | None
"""Names; None where Nuke's types leave them open."""


def stubs() -> tuple[dict[str, list[Arguments]], dict[str, set[str]], dict[str, list[str]]]:
    """Return what types-nuke has: functions with the arguments of each form, methods, bases of classes."""
    functions: dict[str, list[Arguments]] = {}
    methods: dict[str, set[str]] = {}
    bases: dict[str, list[str]] = {}
    for path in installed("types-nuke") or ():
        if path.suffix != ".pyi":
            continue
        for item in ast.parse(Path(str(path.locate())).read_text()).body:
            if isinstance(item, ast.FunctionDef):
                functions.setdefault(item.name, []).append(arguments(item))
            if isinstance(item, ast.ClassDef):
                bases[item.name] = [b.id for b in item.bases if isinstance(b, ast.Name)]
                methods[item.name] = {m.name for m in item.body if isinstance(m, ast.FunctionDef)}
    return functions, methods, bases


def arguments(item: ast.FunctionDef) -> Arguments:
    if item.args.vararg is not None:
        return None
    return [a.arg for a in item.args.args if a.arg != "self"]


def test_it_has_no_function_and_no_argument_that_nukes_types_lack() -> None:
    functions, methods, bases = stubs()
    for function in (*api.FUNCTIONS,):
        assert function.__name__ in functions, function.__name__
        given = list(inspect.signature(function).parameters)
        forms = functions[function.__name__]
        assert any(f is None or given == f[: len(given)] for f in forms), (function.__name__, given, forms)

    def methods_of(name: str) -> set[str]:
        return methods.get(name, set()).union(*(methods_of(b) for b in bases.get(name, [])))

    internal = {"written", "restore", "declared", "free_name"}
    classes: list[type] = [nodes.Node, nodes.Group, nodes.Root, api.Undo, fake_nuke.menus.Menu]
    classes += [getattr(knobs, name) for name in api.KNOBS]
    for kind in classes:
        public = [
            n for n, f in inspect.getmembers(kind, callable) if not n.startswith("_") and n not in internal
        ]
        assert set(public) <= methods_of(kind.__name__), kind.__name__


def test_unknown_things_are_refused(running: Nuke) -> None:
    nuke = running.nuke
    blur = nuke.nodes.Blur()
    wrong: list[tuple[type[BaseException], Callable[[], Any]]] = [
        (AttributeError, lambda: nuke.nodes.SuperBlur),
        (RuntimeError, lambda: nuke.createNode("SuperBlur")),
        (AttributeError, lambda: nuke.makeItSo),
        (NameError, lambda: blur["radius"]),
        (TypeError, lambda: blur["size"].setValue("wide")),
        (TypeError, lambda: blur["size"].setValue(1, 2, 3)),
        (TypeError, lambda: blur["filter"].setValue("bokeh")),
        (AttributeError, lambda: blur["size"].setValues([1])),
        (ValueError, lambda: blur.setInput(5, None)),
        (RuntimeError, lambda: blur.setInput(0, blur)),
        (TypeError, lambda: blur.setXYpos(0.5, 1)),
        (TypeError, lambda: nuke.createNode("Blur", made_up=True)),
        (TypeError, lambda: nuke.frame(1.5)),
        (ValueError, lambda: nuke.nodes.Read()["file"].setValue("C:\\plates\\a.exr")),
    ]
    for error, call in wrong:
        with pytest.raises(error):
            call()
    nuke.delete(blur)
    with pytest.raises(ValueError, match="not attached to a node"):
        blur.name()


def test_the_main_thread_is_as_in_nuke(running: Nuke, capsys: pytest.CaptureFixture[str]) -> None:
    nuke, answers = running.nuke, []
    with pytest.raises(fake_nuke.Deadlock):
        nuke.executeInMainThreadWithResult(lambda: 1)

    def work() -> None:
        answers.append(nuke.executeInMainThreadWithResult(lambda a: a + 1, 1))
        answers.append(nuke.executeInMainThreadWithResult(lambda: 1 / 0))
        nuke.executeInMainThread(answers.append, "later")

    thread = threading.Thread(target=work)
    thread.start()
    fake_nuke.pump(lambda: len(answers) == 3)
    thread.join()
    assert answers == [2, None, "later"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_nothing_of_ours_waits_for_the_main_thread() -> None:
    """What Nuke would hang on, and where it would swallow an error, is not used at all."""
    found = [p.name for p in HOST.rglob("*.py") if "WithResult" in p.read_text(encoding="utf-8")]
    assert found == []


def test_each_knob_that_is_used_is_known_and_selftested(
    running: Nuke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What our code touches in the fake is in the self-test's list, and that list in the fake's tables."""
    selftest = running.module("selftest")
    for kind, names in selftest.KNOBS.items():
        assert set(names) <= set(tables.NODES[kind].knobs), kind
    touched: set[tuple[str, str]] = set()
    item = nodes.Node.__getitem__

    def noted(self: nodes.Node, name: str) -> Any:
        frame = sys._getframe(1)
        if "trackmatte_nuke" in frame.f_code.co_filename:
            touched.add((self.kind.name, name))
        return item(self, name)

    monkeypatch.setattr(nodes.Node, "__getitem__", noted)
    selftest.run(str(tmp_path))
    ours = {"Group", "Root"}
    missing = {
        (k, n) for k, n in touched if k not in ours and n != "trackmatte" and n not in selftest.KNOBS[k]
    }
    assert missing == set()
    assert len(touched) > 40


def test_nothing_rests_on_belief_alone() -> None:
    """Of every knob that is used there is a script that Nuke wrote, or Foundry's documentation."""
    tree = ast.parse((HOST / "trackmatte_nuke" / "selftest.py").read_text(encoding="utf-8"))
    used = next(
        ast.literal_eval(n.value)
        for n in tree.body
        if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "KNOBS"
    )
    weak = {
        f"{kind}.{name}": tables.NODES[kind].knobs[name].evidence
        for kind, names in used.items()
        for name in names
        if tables.NODES[kind].knobs[name].evidence != "seen"
    }
    assert weak == {"Read.before": "docs", "Read.after": "docs"}


def test_the_gizmo_is_what_nuke_would_write(running: Nuke) -> None:
    text = (HOST / "Cattery" / "Trackmatte" / "Trackmatte.gizmo").read_text()
    (item,) = nk.parse(text).nodes.values()
    assert (
        item.kind == "Group"
    )  # not Gizmo: the node is whole in every script, where Trackmatte is not installed too
    numbers = {int(words[0]) for words in item.user_knobs}
    assert numbers <= set(tables.USER_KNOBS)
    node = running.node()
    again = nk.parse(fake_nuke.script.write(running.nuke.root())).nodes["Trackmatte"]
    assert [w[1] for w in again.user_knobs] == [w[1] for w in item.user_knobs]
    assert {k: v for k, v in again.knobs.items() if k != "selected"} == item.knobs
    assert node.inputs() == 1
