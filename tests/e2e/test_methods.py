"""The selectors through server and command line: the same pixels in every face."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests.engines import frames_of, new_shot, picture, started, wait_for
from trackmatte.cli import main
from trackmatte.prompt import Box, Prompt, Scribble
from trackmatte.shot import Shot
from trackmatte.shot.selecting import SELECTORS
from trackmatte_client import Client, EngineError, Job
from trackmatte_client.protocol import messages as m

SIZE, TINY = (96, 64), (48, 32)
ON, AROUND = ((0.33, 0.45), (0.38, 0.55)), ((0.1, 0.1), (0.1, 0.9), (0.9, 0.9), (0.9, 0.1), (0.1, 0.1))
BOX = (0.15, 0.2, 0.6, 0.8)
STROKES = (m.Scribble(ON, 1, 0.02), m.Scribble(AROUND, 0, 0.02))
NAMED = [name for name in SELECTORS if name != "auto"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with started(tmp_path_factory.mktemp("engine")) as client:
        yield client


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_frames(tmp_path_factory.mktemp("plates"), 3, SIZE)


def said(method: str, frame: int = 1001, **more: Any) -> m.Prompt:
    """A box for what takes one alone, else strokes on both sides."""
    if SELECTORS[method].needs == "background":
        return m.Prompt(frame, box=BOX, **more)
    return m.Prompt(frame, scribbles=STROKES, **more)


def words(method: str) -> list[str]:
    """The same on the command line."""
    if SELECTORS[method].needs == "background":
        return ["--box", ",".join(map(str, BOX))]
    paths = [" ".join(f"{x},{y}" for x, y in path) for path in (ON, AROUND)]
    return ["--scribble", f"fg:{paths[0]}@0.02", "--scribble", f"bg:{paths[1]}@0.02"]


def run(*line: object) -> None:
    assert main([str(w) for w in (*line, "--quiet")]) == 0


def mask_of(client: Client, shot: m.ShotState, width: int = SIZE[0]) -> np.ndarray:
    return picture(client.mask(shot.shot, 1001, "subject", width))


def previewed(client: Client, shot: m.ShotState, prompt: m.Prompt, width: int = SIZE[0]) -> np.ndarray:
    found = client.preview(shot.shot, m.Preview(prompt, width, exact=True))
    return picture(base64.b64decode(found.mask))


@pytest.mark.parametrize("method", NAMED)
def test_a_method_gives_the_same_mask_in_every_face(
    client: Client, plates: Path, tmp_path: Path, method: str
) -> None:
    still = tmp_path / "mask.png"
    run("select", plates, "--method", method, *words(method), "--out", still)
    one = cv2.imread(str(still), cv2.IMREAD_UNCHANGED)
    wanted = one > np.iinfo(one.dtype).max / 2
    truth = disc.alpha_at(0, SIZE) > 0.5
    assert (wanted & truth).sum() / (wanted | truth).sum() > 0.85

    path = tmp_path / "typed.shot.json"
    run("shot", "new", path, plates, "--tracker", "fake", "--refiner", "none", "--select", method)
    run("shot", "add", path, *words(method))
    run("track", path)
    with Shot.open(path) as typed:
        found = typed.cache.read("track", "subject", 1001)
    assert found is not None
    np.testing.assert_array_equal(found[0] > 0, wanted)

    shot = new_shot(client, tmp_path, plates, select=method)
    np.testing.assert_array_equal(previewed(client, shot, said(method)) > 127, wanted)
    made = client.put_prompt(shot.shot, shot.revision, said(method))
    assert made.selected.share == pytest.approx(wanted.mean(), abs=1e-5)
    assert bool(made.selected.polygons) == SELECTORS[method].outline
    Job(client, client.track(shot.shot).job).wait(30)
    seen = mask_of(client, shot)
    np.testing.assert_array_equal(seen > 127, wanted)
    soft = ((seen > 30) & (seen < 225)).sum()
    assert not SELECTORS[method].soft or soft > 20
    # The quick preview sees a small picture: here the plate is small enough to be that picture.
    quick = client.preview(shot.shot, m.Preview(said(method, select=method), SIZE[0], replace=True))
    assert quick.share == made.selected.share


def test_what_a_selector_found_is_kept_and_is_of_that_prompt_only(plates: Path, tmp_path: Path) -> None:
    with Shot.new(tmp_path / "a.shot.json", plates, tracker="fake", refiner="none", select="grabcut") as shot:
        first = shot.add(Prompt(1001, box=Box(*BOX))).binary
        kept = shot.cache.path("select", "subject", 1001)
        written = kept.stat().st_mtime_ns
        assert next(iter(shot.track())).frame == 1001
        assert kept.stat().st_mtime_ns == written
        kept.unlink()
        np.testing.assert_array_equal(shot.add(Prompt(1001, box=Box(*BOX))).binary, first)
        half = shot.add(Prompt(1001, box=Box(0.15, 0.2, 0.6, 0.5)), replace=True)
        assert half.binary.sum() < first.sum()
        assert kept.stat().st_mtime_ns != written


def test_masks_go_stale_with_their_method_and_no_others(client: Client, plates: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, plates)
    state = client.put_prompt(shot.shot, shot.revision, said("lazy")).shot
    own = said("graphcut", object="prop", select="graphcut")
    state = client.put_prompt(shot.shot, state.revision, own).shot
    assert [p.select for p in state.prompts] == [None, "graphcut"]
    Job(client, client.track(shot.shot).job).wait(30)
    state = client.shot_state(shot.shot)
    assert [frames_of(o.tracked) for o in state.objects] == [[1001, 1002, 1003]] * 2
    changed = client.set_methods(shot.shot, m.SetMethods(state.revision, select="lazy"))
    assert changed.select == "lazy"
    assert [frames_of(o.stale) for o in changed.objects] == [[1001, 1002, 1003], []]
    back = client.undo(shot.shot, changed.revision)
    assert back.select == "auto"
    assert [frames_of(o.stale) for o in back.objects] == [[], []]
    again = client.redo(shot.shot, back.revision)
    assert again.select == "lazy"
    with Shot.open(shot.path) as saved:
        assert saved.doc.select == "lazy"
    run("track", shot.path, "--select", "auto")
    state = client.shot_state(shot.shot)
    assert state.objects[0].stale == ()
    # Said by name or not, the tracker's own way is the same.
    named = client.put_prompt(shot.shot, state.revision, said("lazy", select="auto")).shot
    assert [frames_of(o.tracked) for o in named.objects] == [[1001, 1002, 1003]] * 2


def test_the_refiner_is_chosen_and_its_mattes_are_made_anew(
    client: Client, plates: Path, tmp_path: Path
) -> None:
    shot = new_shot(client, tmp_path, plates)
    shot = client.put_prompt(shot.shot, shot.revision, said("lazy", select="lazy")).shot
    Job(client, client.track(shot.shot).job).wait(30)
    Job(client, client.matte(shot.shot).job).wait(30)
    before = picture(client.matte_image(shot.shot, 1001, "subject", SIZE[0]))
    state = client.set_methods(shot.shot, m.SetMethods(shot.revision, refiner="bayesian"))
    assert (state.refiner, state.select, state.objects[0].matted) == ("bayesian", "auto", ())
    Job(client, client.matte(shot.shot).job).wait(60)
    after = picture(client.matte_image(shot.shot, 1001, "subject", SIZE[0])).astype(float)
    truth = disc.alpha_at(0, SIZE) * 255
    assert np.abs(after - truth).mean() < np.abs(before - truth).mean()
    for wrong, code in (({"refiner": "soup"}, "usage"), ({"select": "soup"}, "usage")):
        with pytest.raises(EngineError, match="soup") as refusal:
            client.set_methods(shot.shot, m.SetMethods(state.revision, **wrong))
        assert refusal.value.code == code
    assert client.shot_state(shot.shot).refiner == "bayesian"


def test_an_outline_is_moved_and_more_marks_drop_it(client: Client, tmp_path: Path) -> None:
    w, h = 320, 192
    shot = new_shot(client, tmp_path, disc.write_frames(tmp_path / "wide", 1, (w, h)), select="lazy")
    state = client.put_prompt(shot.shot, shot.revision, said("lazy")).shot
    plain = previewed(client, shot, m.Prompt(1001), w) > 127
    found = client.preview(shot.shot, m.Preview(m.Prompt(1001), w, exact=True))
    (outline,) = found.polygons
    assert len(outline) >= 4
    xs, ys = np.array(outline).T * np.reshape((w, h), (2, 1))
    assert plain[ys.astype(int), xs.astype(int)].all()  # vertices stand on the contour's own pixels
    assert not cv2.erode(plain.astype(np.uint8), np.ones((3, 3)))[ys.astype(int), xs.astype(int)].any()
    # As it is, the outline says nothing new; with a vertex far inside, only its surroundings change.
    same = previewed(client, shot, m.Prompt(1001, polygons=found.polygons), w) > 127
    assert (same != plain).mean() < 0.01
    top = int(np.argmin(ys))
    dented = (*outline[:top], (outline[top][0], 0.45), *outline[top + 1 :])
    moved = client.add_prompt(shot.shot, state.revision, m.Prompt(1001, polygons=(dented,)))
    assert moved.selected.polygons == (dented,)
    assert moved.shot.prompts[0].polygons == (dented,)
    assert moved.shot.prompts[0].scribbles == STROKES
    Job(client, client.track(shot.shot).job).wait(30)
    now = mask_of(client, shot, w) > 127
    gone = plain & ~now
    assert gone[: int(0.45 * h)].sum() > 10
    assert not (plain ^ now)[int(0.6 * h) :].any()
    with Shot.open(shot.path) as saved:
        assert saved.prompts.of("subject")[0].polygons == (dented,)
    more = client.add_prompt(
        shot.shot, moved.shot.revision, m.Prompt(1001, scribbles=(m.Scribble(((0.4, 0.5),), 1),))
    )
    assert more.shot.prompts[0].polygons == ()
    assert len(more.shot.prompts[0].scribbles) == 3
    undone = client.undo(shot.shot, more.shot.revision)
    assert undone.prompts[0].polygons == (dented,)


def test_marks_on_a_tracked_frame_start_afresh_or_correct_as_the_method_does(
    client: Client, plates: Path, tmp_path: Path
) -> None:
    shot = new_shot(client, tmp_path, plates)
    state = client.put_prompt(shot.shot, shot.revision, said("grabcut", select="grabcut")).shot
    Job(client, client.track(shot.shot).job).wait(30)
    fresh = client.add_prompt(shot.shot, state.revision, said("lazy", 1003, select="lazy")).shot
    assert [(p.frame, p.mask, p.select) for p in fresh.prompts] == [
        (1001, False, "grabcut"),
        (1003, False, "lazy"),
    ]
    stroke = m.Prompt(1002, scribbles=(m.Scribble(AROUND, 0, 0.02),), select="grabcut")
    corrected = client.add_prompt(shot.shot, fresh.revision, stroke).shot
    assert [p.mask for p in corrected.prompts if p.frame == 1002] == [True]
    instead = client.add_prompt(shot.shot, corrected.revision, said("lazy", 1002, select="lazy")).shot
    assert [(p.mask, p.select) for p in instead.prompts if p.frame == 1002] == [(False, "lazy")]


def plate(folder: Path, pixels: np.ndarray) -> Path:
    """One frame, float as EXR and else PNG."""
    folder.mkdir()
    if pixels.dtype == np.float32:
        path = folder / "plate.1001.exr"
        with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": pixels}) as file:
            file.write(str(path))
    else:
        path = folder / "plate.1001.png"
        assert cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize("method", NAMED)
def test_prompts_that_cannot_be_are_told_in_a_sentence(
    client: Client, plates: Path, tmp_path: Path, method: str
) -> None:
    shot = new_shot(client, tmp_path, plates, select=method)
    both = m.Prompt(1001, scribbles=(m.Scribble(ON, 1, 1e-6), m.Scribble(ON, 0, 1e-6)))
    cases = [
        (
            m.Prompt(1001, scribbles=STROKES[:1]),
            r"none is on the background|needs a box with something outside",
        ),
        (both, "claims the place|marked for the subject and for the background"),
        (m.Prompt(1001, scribbles=STROKES, polygons=(((0.1, 0.1), (0.5, 0.5)),)), "three or more"),
    ]
    if SELECTORS[method].needs == "both":
        cases.append((m.Prompt(1001, scribbles=STROKES[1:]), "none is on the subject"))
    if not SELECTORS[method].outline:
        triangle = ((0.1, 0.1), (0.5, 0.5), (0.1, 0.5))
        cases.append((m.Prompt(1001, scribbles=STROKES, polygons=(triangle,)), "takes no polygons; use lazy"))
    for prompt, says in cases:
        for ask in (
            lambda p=prompt: client.put_prompt(shot.shot, shot.revision, p),
            lambda p=prompt: client.preview(shot.shot, m.Preview(p)),
        ):
            with pytest.raises(EngineError, match=says) as refusal:
                ask()
            assert refusal.value.code == "prompt"
            assert "\n" not in str(refusal.value)
    assert client.shot_state(shot.shot).prompts == ()


@pytest.mark.parametrize("method", NAMED)
def test_odd_pictures_give_a_mask_or_a_sentence(client: Client, tmp_path: Path, method: str) -> None:
    bad = disc.plate_at(0, (64, 48)).astype(np.float32) / 255
    bad[10:14, 20:30] = np.nan
    bad[30, 40] = np.inf
    flat, dot = (np.full(shape, 90, np.uint8) for shape in ((48, 64, 3), (1, 1, 3)))
    boxed = SELECTORS[method].needs == "background"
    for name, pixels, says in (
        ("bad", bad, ""),
        ("flat", flat, "finds no subject on frame 1001" if boxed else ""),
        ("dot", dot, "needs a box with something outside" if boxed else "claims the place"),
    ):
        shot = new_shot(client, tmp_path, plate(tmp_path / name, pixels), select=method)
        if not says:
            assert 0 < client.put_prompt(shot.shot, shot.revision, said(method)).selected.share < 0.3
            continue
        with pytest.raises(EngineError, match=says) as refusal:
            client.put_prompt(shot.shot, shot.revision, said(method))
        assert refusal.value.code == "prompt"


def test_a_hundred_megapixels_are_selected_small_and_not_split(client: Client, tmp_path: Path) -> None:
    large = np.zeros((10_000, 10_000), np.uint8)
    large[3000:7000, 2000:5000] = 200
    shot = new_shot(client, tmp_path, plate(tmp_path / "large", large), select="lazy")
    made = client.put_prompt(shot.shot, shot.revision, said("lazy"))
    assert made.selected.share == pytest.approx(0.12, abs=0.005)
    job = client.layers(shot.shot, m.MakeLayers(1001)).job
    wait_for(lambda: client.job_state(job).status == "failed", 60)
    error = client.job_state(job).error
    assert error is not None
    assert error.code == "usage"
    assert "100 megapixels" in error.message


def test_a_shot_file_with_an_unknown_selector_is_refused(
    client: Client, plates: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.shot.json"
    with Shot.new(path, plates, tracker="fake", refiner="none") as shot:
        shot.add(Prompt(1001, box=Box(*BOX), scribbles=(Scribble(ON),)))
        shot.save()
    path.write_text(path.read_text().replace('"prompts"', '"select": "soup", "prompts"'))
    with pytest.raises(EngineError, match="no selector 'soup'; choose one of auto, grabcut") as refusal:
        client.open_shot(str(path))
    assert refusal.value.code == "usage"
