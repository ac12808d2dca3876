"""Values at the boundary, and the Pythons that they must run on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.nuke.double import ROOT, node_state, part
from tests.unit.test_client import PYTHONS
from trackmatte_client.protocol import messages as m

PACKAGE = ROOT / "hosts" / "nuke" / "trackmatte_nuke"
OURS = ("model", "work", "session", "pictures")
facts = m.ClipFacts("/p/a.####.exr", 8, 8, (24, 1), 1001, 1048, 48)


def test_offsets_of_a_sequence_and_a_movie() -> None:
    clip = part("model").Clip
    assert clip("/p/a.mov", 0, 47, offset=1).timeline(0) == 1
    assert clip("/p/a.mov", 0, 47, offset=1).source(48) == 47
    assert clip("/p/a.####.exr", 1001, 1048, offset=-1000).timeline(1001) == 1


@pytest.mark.parametrize(
    ("read", "chosen", "span"),
    [
        ((1001, 1048), None, (1001, 1048)),
        ((1005, 1010), None, (1005, 1010)),
        ((990, 2000), None, (1001, 1048)),
        ((1001, 1048), (1010, 1020), (1010, 1020)),
        ((1001, 1048), (1040, 1100), (1040, 1048)),
    ],
)
def test_in_and_out(read: tuple[int, int], chosen: tuple[int, int] | None, span: tuple[int, int]) -> None:
    state = node_state("/p/a.####.exr", *read, "/s", range=chosen)
    assert part("work").in_and_out(state, state.clip, facts) == span


def test_in_and_out_beyond_the_clip_are_refused() -> None:
    state = node_state("/p/a.####.exr", 1001, 1048, "/s", range=(2000, 2010))
    clip = part("model").Clip("/p/a.####.exr", 1001, 1048, -1000)
    with pytest.raises(Exception, match="from 1 to 48, and Trackmatte1 asks for 1000 to 1010: set in"):
        part("work").in_and_out(state, clip, facts)


@pytest.mark.parametrize(("count", "said"), [(0, 0), (48, 0), (47, 0), (49, 0), (46, 1), (100, 1)])
def test_frames_that_host_and_engine_count_otherwise_are_told(count: int, said: int) -> None:
    clip = part("model").Clip("/p/a.mov", 0, 47, 1, rate="24", count=count)
    lines = part("work").counted(clip, facts)
    assert len(lines) == said
    for line in lines:
        assert line.startswith(
            f"Nuke counts {count} frames in /p/a.mov and the engine 48: if the matte is not"
        )


def test_points_and_boxes_become_prompts() -> None:
    model = part("model")
    points = (
        model.Point("p1", "fox", 5, 0.25, 0.5),
        model.Point("p2", "fox", 5, 1.5, -0.5, subject=False),
        model.Point("p3", "hen", 7, 0.1, 0.2),
    )
    boxes = (model.Box("b1", "fox", 5, 0.1, 0.2, 0.3, 0.4),)
    said = part("work").gathered(node_state("/p/a.mov", 0, 9, "/s", points=points, boxes=boxes))
    assert list(said) == [("fox", 5), ("hen", 7)]
    fox = said["fox", 5]
    assert fox.points == ((0.25, 0.5, 1), (1.0, 0.0, 0))
    assert fox.box == (0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("C:\\jobs\\a b\\m.####.exr", "C:/jobs/a b/m.####.exr"),
        ("\\\\server\\share\\m.exr", "//server/share/m.exr"),
        ("/jobs/odd\\name.exr", "/jobs/odd\\name.exr"),
    ],
)
def test_paths_are_written_as_nuke_writes_them(path: str, shown: str) -> None:
    assert part("work").forward(path) == shown


def test_windows_paths_as_text() -> None:
    paths = part("trackmatte_client.paths")
    shot = paths.shot_file("D:/jobs/film", "//nas/plates/Füchsin.####.dpx")
    assert part("work").forward(shot) == "D:/jobs/film/trackmatte/Füchsin.shot.json"
    assert paths.same_clip("D:/p/hero.####.exr", "d:\\P\\HERO.####.exr")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_the_syntax_is_python_3_7(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    assert not any(isinstance(n, ast.NamedExpr | ast.Match | ast.TryStar) for n in ast.walk(tree))
    modules = [n.module for n in tree.body if isinstance(n, ast.ImportFrom)]
    assert "__future__" in modules or path.name == "__init__.py"


@pytest.mark.parametrize("python", [p for p in PYTHONS if p != sys.executable])
def test_it_imports_under_every_python_here(python: str) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import double; [double.part(n) for n in sys.argv[2:]]"
    )
    folder = str(Path(__file__).parent)
    done = subprocess.run(
        [python, "-B", "-W", "error", "-S", "-c", code, folder, *OURS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
