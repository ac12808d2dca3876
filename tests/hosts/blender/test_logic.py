"""What of the Blender add-on needs no Blender: names, numbers, prompts, the package."""

from __future__ import annotations

import base64
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from tests.engines import wait_for
from tests.hosts.blender.conftest import HOST, ROOT

Logic = Callable[[str], Any]


@pytest.mark.parametrize(
    ("first", "start", "offset", "scene", "number"),
    [(0, 1, 0, 1, 0), (1001, 1, 0, 1, 1001), (1001, 101, 0, 101, 1001), (0, 1, 24, 1, 24), (7, -3, 2, 0, 12)],
)
def test_scene_frames_and_source_numbers(
    logic: Logic, first: int, start: int, offset: int, scene: int, number: int
) -> None:
    timing = logic("frames").Timing(first, start, offset)
    assert (timing.source(scene), timing.scene(number)) == (number, scene)
    begin, skipped, duration = timing.image_user(number, number + 9)
    # Blender's rule for image sequences, measured.
    assert (scene - begin + 1 + skipped, duration) == (number, 10)


@pytest.mark.parametrize(
    ("numbers", "words"), [([], ""), ([3], "3"), ([1, 2, 3, 7, 9, 8], "1-3, 7-9"), ([-1, 0], "-1-0")]
)
def test_spans_in_words(logic: Logic, numbers: list[int], words: str) -> None:
    assert logic("frames").text(numbers) == words


def test_spans_from_words(logic: Logic) -> None:
    assert logic("frames").parse("") == []
    assert logic("frames").parse("-3--1, 7-7, 1001-1048") == [(-3, -1), (7, 7), (1001, 1048)]


@pytest.mark.parametrize(
    ("file", "pattern", "first"),
    [
        ("/p/hero.1001.exr", "/p/hero.####.exr", 1001),
        ("/p v2/shot010_0001.png", "/p v2/shot010_####.png", 1),
        (r"C:\plates\hérö.000123.dpx", r"C:\plates\hérö.######.dpx", 123),
        (r"\\server\share\a99.tif", r"\\server\share\a##.tif", 99),
    ],
)
def test_a_file_of_a_sequence_becomes_a_pattern(logic: Logic, file: str, pattern: str, first: int) -> None:
    assert logic("trackmatte_client.paths").pattern(file) == (pattern, first)


@pytest.mark.parametrize(
    ("path", "here"),
    [
        (r"//plates\hérö.1001.exr", "//plates/hérö.1001.exr"),
        (r"/job/plates\hero.mov", "/job/plates/hero.mov"),
        (r"C:\plates\hero.mov", r"C:\plates\hero.mov"),
        (r"\\server\share\a.mov", r"\\server\share\a.mov"),
    ],
)
def test_relative_paths_of_windows_are_read_elsewhere(logic: Logic, path: str, here: str) -> None:
    assert logic("trackmatte_client.paths").native(path) == (path if os.name == "nt" else here)


def test_a_file_without_a_number_is_no_sequence(logic: Logic) -> None:
    with pytest.raises(ValueError, match=r"hero\.exr has no frame number"):
        logic("trackmatte_client.paths").pattern("/7/hero.exr")


@pytest.mark.parametrize(
    ("base", "clip", "shot"),
    [
        ("/b", "/c/hero.####.exr", "/b/trackmatte/hero.shot.json"),
        ("/b", "/c/Füchsin v2.mov", "/b/trackmatte/Füchsin v2.shot.json"),
        ("C:\\job", "D:\\c\\hero.mov", "C:\\job\\trackmatte\\hero.shot.json"),
        ("/b", "/c/####.png", "/b/trackmatte/clip.shot.json"),
    ],
)
def test_names_of_shots(logic: Logic, base: str, clip: str, shot: str) -> None:
    paths = logic("trackmatte_client.paths")
    assert paths.shot_file(base, clip) == shot
    assert paths.shot_file(base, clip, 2) == shot.replace(".shot.json", "-2.shot.json")
    assert paths.delivery_folder(shot, "matte") == shot.replace(".shot.json", ".matte")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("/p/x/../hero.####.exr", "/p/hero.####.exr", True),
        ("/p/hero.####.exr", "/p/hero.%04d.exr", True),
        ("/p/hero.mov", "/q/hero.mov", False),
        ("/p/hero.mov", "/p/Hero.mov", False),
        ("C:\\P\\hero.mov", "c:/p/HERO.mov", True),
    ],
)
def test_which_paths_mean_the_same_clip(logic: Logic, a: str, b: str, same: bool) -> None:
    assert logic("trackmatte_client.paths").same_clip(a, b) is same


def exr(path: Path, compression: Any, rows: int = 70) -> Path:
    """Write a small EXR with OpenEXR itself."""
    noise = np.random.default_rng(0).random((rows, 9), np.float32)
    OpenEXR.File({"compression": compression, "type": OpenEXR.scanlineimage}, {"A": noise}).write(str(path))
    return path


def test_a_sequence_is_looked_at_file_by_file(logic: Logic, tmp_path: Path) -> None:
    check = logic("sequence").check
    target = str(tmp_path / "m.####.exr")
    for number in range(1001, 1010):
        exr(tmp_path / f"m.{number}.exr", OpenEXR.ZIP_COMPRESSION)
    whole = check(target, 4, 1001, 1009, rendered=(1001, 1009))
    assert whole.complete
    assert whole.lines() == ["m.####.exr: complete, 9 frames 1001-1009"]
    (tmp_path / "m.1003.exr").unlink()
    (tmp_path / "m.1004.exr").unlink()
    (tmp_path / "m.1006.exr").write_bytes(b"")
    (tmp_path / "m.1008.exr").write_bytes(b"not an EXR")
    (tmp_path / "m.1009.exr").write_bytes((tmp_path / "m.1001.exr").read_bytes()[:-1])
    report = check(target, 4, 1001, 1009, rendered=(999, 1009), shift=-990)
    assert not report.complete
    assert (report.missing, report.broken, report.outside) == ((1003, 1004), (1006, 1008, 1009), (999, 1000))
    assert report.lines() == [
        "m.####.exr: 5 of 9 frames cannot be used",
        "missing files: 1003-1004; press Matte to make them",
        "damaged files: 1006, 1008-1009; delete them and press Matte",
        "the scene also renders frames 9-10, which have no matte: there the nearest one is held",
    ]


@pytest.mark.parametrize(
    "name", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB"]
)  # fmt: skip
@pytest.mark.parametrize("rows", [1, 70, 300])
def test_exrs_that_were_cut_off_are_noticed(logic: Logic, tmp_path: Path, name: str, rows: int) -> None:
    path = exr(tmp_path / "a.exr", getattr(OpenEXR, f"{name}_COMPRESSION"), rows)
    whole, data = logic("exr").whole, path.read_bytes()
    assert whole(path)
    for length in {len(data) - 1, len(data) // 2, 300, 40, 8, 4, 0} - {len(data)}:
        path.write_bytes(data[:length])
        assert not whole(path), length


def said(logic: Logic, prompt: Any, **more: Any) -> Any:
    """Return a prompt as the engine repeats it: numbers of 32 bits, no mask but whether there is one."""
    m = logic("trackmatte_client.protocol.messages")
    points = tuple((float(np.float32(x)), float(np.float32(y)), s) for x, y, s in prompt.points)
    return m.Said(prompt.frame, prompt.object, points, prompt.box, **{"mask": bool(prompt.mask), **more})


def test_prompts_are_sent_once_and_only_as_changed(logic: Logic) -> None:
    sync = logic("trackmatte_client.sync")
    item, plan = sync.Item, sync.plan
    one = item("a", 5, "POINT", point=(0.1, 0.2, 1))
    two = item("a", 5, "POINT", point=(0.3, 0.4, 0))
    box = item("a", 5, "BOX", box=(0.1, 0.1, 0.9, 0.9))

    def steps(after: list[Any], before: list[Any], masks: dict[Any, str] | None = None, **more: Any) -> Any:
        old = [said(logic, p, **more) for p in sync.gather(before).values()]
        return [
            (s.kind, len(s.prompt.points), s.keep_mask) for s in plan(sync.gather(after), old, masks or {})
        ]

    assert steps([one], []) == [("put", 1, False)]
    assert steps([one], [one]) == []
    assert steps([one, two], [one]) == [("add", 1, False)]
    assert steps([one], [one, two]) == [("put", 1, False)]
    assert steps([one], [one, two], mask=True) == [("put", 1, True)]
    assert steps([two, one], [one, two]) == [("put", 2, False)]
    assert steps([one, box], [one]) == [("put", 1, False)]
    assert steps([], [one]) == [("remove", 0, False)]
    assert steps([one], [one, item("b", 5, "POINT")]) == [("remove", 0, False)]
    assert steps([], [], {}) == []
    # A brush stroke was drawn elsewhere; Blender has no word for it and leaves it alone.
    m = logic("trackmatte_client.protocol.messages")
    assert steps([one, two], [one], scribbles=(m.Scribble(((0.1, 0.1),)),)) == []


def test_a_mask_is_sent_again_only_when_it_changed(logic: Logic) -> None:
    sync = logic("trackmatte_client.sync")
    first = sync.gather([sync.Item("a", 5, "MASK", mask="AAAA")])
    other = sync.gather([sync.Item("a", 5, "MASK", mask="BBBB")])
    old = [said(logic, first["a", 5])]
    sent = {("a", 5): sync.digest(first["a", 5])}
    assert sync.plan(first, old, sent) == []
    assert [s.kind for s in sync.plan(other, old, sent)] == ["put"]
    assert [s.kind for s in sync.plan(first, old, {})] == ["put"]


def test_masks_are_png(logic: Logic) -> None:
    mask = np.random.default_rng(1).uniform(-0.1, 1.1, (5, 13)).astype(np.float32)
    mask[0, 0] = np.nan
    raw = np.frombuffer(base64.b64decode(logic("outline").png(mask)), np.uint8)
    found = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint8
    assert np.abs(found / 255 - np.clip(np.nan_to_num(mask), 0, 1)).max() <= 0.5 / 255 + 1e-6


def test_the_package_is_the_same_every_time_and_has_the_client(builder: Any, tmp_path: Path) -> None:
    first, second = builder.build(tmp_path / "a"), builder.build(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    names = zipfile.ZipFile(first).namelist()
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "trackmatte_client/LICENSE"} <= set(names)
    client = {
        f"trackmatte_client/{p.relative_to(builder.CLIENT).as_posix()}" for p in builder.CLIENT.rglob("*.py")
    }
    assert client <= set(names)
    assert not [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".whl"))]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SPDX:GPL", "GPL", "SPDX:"),
        ('"Compositing"', '"Compositor"', "tag 'Compositor'"),
        ("[permissions]\nfiles", "[permissions]\nfolders", "permission 'folders'"),
        ("frame\"", "frame.\"", "tagline"),
        ("Read clips", "Read clips " * 9, "'files' needs a reason"),
        ('version = "0.1.0"', 'version = "9.9.9"', "is not the engine's"),
        ('"4.2.0"', '"4.1.0"', "4.2.0 or more"),
        ("[permissions]", 'wheels = ["./wheels/x.whl"]\n\n[permissions]', "x.whl is not in the package"),
        ("tags =", 'network = "yes"\ntags =', "beside [permissions]"),
        ('id = "trackmatte"', "id =", "cannot be read"),
    ],
)  # fmt: skip
def test_faults_of_the_manifest_are_named(
    builder: Any, tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = builder.stage(tmp_path / "staged")
    engine = ROOT / "engine" / "trackmatte" / "__init__.py"
    assert builder.checks.check(folder, engine=engine) == []
    manifest = folder / "blender_manifest.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))
    assert words in "\n".join(builder.checks.check(folder, engine=engine))


def test_imports_that_blender_does_not_bring_are_named(builder: Any, tmp_path: Path) -> None:
    folder = builder.stage(tmp_path / "staged")
    (folder / "bad.py").write_text("import bpy\nimport torch\nfrom trackmatte_client import Client\n")
    assert builder.checks.check(folder) == [
        "bad.py line 2 imports torch, which Blender does not bring",
        "bad.py line 3 imports trackmatte_client, which Blender does not bring",
    ]


def test_the_licence_is_the_gpl() -> None:
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 3" in (HOST / "LICENSE").read_text()
    for path in HOST.rglob("*.py"):
        assert "SPDX-License-Identifier: GPL-3.0-or-later" in path.read_text()[:120], path


def test_no_module_of_the_add_on_starts_threads() -> None:
    """Python's threads crash Blender; the chapter `care` counts them in a real one."""
    for file in (HOST / "trackmatte").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"import threading|from threading|\bJob\(", text), file.name


def begun(logic: Logic, monkeypatch: pytest.MonkeyPatch, folder: Path, program: str = "sleep 60") -> Any:
    """Work whose engine takes its time to start."""
    waits = folder / "python"
    waits.write_text(f"#!/bin/sh\nexec {program}\n")
    waits.chmod(0o755)
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(folder / "run"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    work = logic("work")
    return work.Work(work.Request("show", "a.mp4", 1, str(folder), python=str(waits)))


def rooms(folder: Path) -> list[Path]:
    """The folders in which work talks."""
    return list(folder.glob("trackmatte-*"))


def test_work_says_what_the_engine_says(
    logic: Logic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = begun(logic, monkeypatch, tmp_path, "false")
    wait_for(lambda: work.finished)
    assert "the engine ended at once (1)" in work.error
    assert work.outcome.object == "subject"
    assert not work.cancelled
    assert rooms(tmp_path) == []


def test_work_whose_process_is_killed_is_told(
    logic: Logic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = begun(logic, monkeypatch, tmp_path)
    assert wait_for(work.progress) == ("looking for the engine", 0.0)
    assert work.progress() is None
    assert not work.finished
    work._process.kill()
    assert work.wait(60)
    assert work.error == "what speaks with the engine ended (-9): try again"
    assert rooms(tmp_path) == []


def test_work_that_nobody_waits_for_tidies_up(
    logic: Logic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = begun(logic, monkeypatch, tmp_path, "false")
    process = work._process
    work.leave()
    process.wait(60)
    assert rooms(tmp_path) == []


def test_a_python_that_cannot_be_started_is_told(
    logic: Logic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    work = begun(logic, monkeypatch, tmp_path)
    assert work.finished
    assert work.error == f"{tmp_path / 'gone'}: No such file or directory"
    assert rooms(tmp_path) == []
