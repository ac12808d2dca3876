"""The same logits as the official video predictor, bit for bit, and controls that must differ."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackmatte.frame import Frame
from trackmatte.prompt import Point, Prompt

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")

from PIL import Image  # noqa: E402

from tests import disc, micro  # noqa: E402
from trackmatte.trackers.sam2 import SAM2Tracker  # noqa: E402

SIZE = (192, 112)
LENGTH = 24
Masks = dict[str, dict[int, np.ndarray]]
"""Object -> frame index -> low-resolution logits."""
os.environ["TQDM_DISABLE"] = "1"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the frames as JPEG, which both engines read."""
    path = tmp_path_factory.mktemp("micro")
    (path / "jpg").mkdir()
    for i in range(LENGTH):
        Image.fromarray(disc.plate_at(i, SIZE)).save(path / "jpg" / f"{i:05d}.jpg", quality=95)
    return path


def frame(folder: Path, i: int) -> Frame:
    return Frame(i, i, Fraction(i, 24), np.asarray(Image.open(folder / "jpg" / f"{i:05d}.jpg")))


def truth(i: int, shift: int = 0) -> np.ndarray:
    return np.roll(disc.alpha_at(i, SIZE) > 0.5, shift, 1)


def prompt_mask(i: int, obj: str = "a", shift: int = 0) -> Prompt:
    return Prompt(i, obj, mask=truth(i, shift))


class Official:
    """The official predictor on the same frames."""

    def __init__(self, folder: Path, seed: int = 0, bias: float = 5.0, **changes: Any) -> None:
        self.predictor = micro.official(folder, seed, bias, **changes)
        self.state = self.predictor.init_state(str(folder / "jpg"))

    def mask(self, i: int, obj: str = "a", shift: int = 0) -> None:
        self.predictor.add_new_mask(self.state, i, obj, torch.from_numpy(truth(i, shift)))

    def click(self, i: int, xy: list[list[float]], labels: list[int], obj: str = "a") -> np.ndarray:
        points = np.array(xy, np.float32)
        self.predictor.add_new_points_or_box(
            self.state, i, obj, points=torch.from_numpy(points),
            labels=torch.tensor(labels, dtype=torch.int32), normalize_coords=False,
        )  # fmt: skip
        return self._low_res(i, obj)

    def run(self, start: int, reverse: bool = False, count: int | None = None) -> Masks:
        found: Masks = {}
        with torch.inference_mode():
            for i, objects, _ in self.predictor.propagate_in_video(self.state, start, count, reverse):
                for obj in objects:
                    found.setdefault(obj, {})[i] = self._low_res(i, obj)
        return found

    def _low_res(self, i: int, obj: str) -> np.ndarray:
        n = self.state["obj_id_to_idx"][obj]
        temporary = self.state["temp_output_dict_per_obj"][n]
        stored = self.state["output_dict_per_obj"][n]
        for kind in (temporary, stored):
            for key in ("cond_frame_outputs", "non_cond_frame_outputs"):
                if i in kind[key]:
                    return kind[key][i]["pred_masks"][0, 0].numpy().copy()
        raise KeyError(i)


def ours(folder: Path, seed: int = 0, bias: float = 5.0, **settings: Any) -> SAM2Tracker:
    return SAM2Tracker(length=LENGTH, device="cpu", **micro.settings(folder, seed, bias), **settings)


def walk(tracker: SAM2Tracker, folder: Path, order: Iterable[int]) -> Masks:
    found: Masks = {}
    for i in order:
        for m in tracker.step(frame(folder, i)):
            found.setdefault(m.object, {})[i] = m.logits
    return found


def same(mine: dict[int, np.ndarray], theirs: dict[int, np.ndarray], frames: range | list[int]) -> None:
    """Every frame equal to the last bit, and with something on it that could differ."""
    areas = []
    for i in frames:
        np.testing.assert_array_equal(mine[i], theirs[i], err_msg=f"frame {i}")
        areas.append(float((mine[i] > 0).mean()))
    assert 0.02 < float(np.median(areas)) < 0.98, areas
    assert float(np.std(mine[frames[-1]])) > 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forward(folder: Path, seed: int) -> None:
    theirs = Official(folder, seed)
    theirs.mask(0)
    tracker = ours(folder, seed)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    same(walk(tracker, folder, range(LENGTH))["a"], theirs.run(0)["a"], range(1, LENGTH))


def test_forward_of_sam_2_0(folder: Path) -> None:
    """Its time encodings, pointers and no-object embeddings are others than those of 2.1."""
    config = micro.config(folder, version="2")
    theirs = Official(folder, config_file=config)
    theirs.mask(0)
    tracker = SAM2Tracker(length=LENGTH, device="cpu", **micro.files(folder, config))
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    same(walk(tracker, folder, range(LENGTH))["a"], theirs.run(0)["a"], range(1, LENGTH))


def test_clicks_and_box_on_the_first_frame(folder: Path) -> None:
    theirs = Official(folder)
    box = torch.tensor([0.2, 0.2, 0.6, 0.8])
    theirs.predictor.add_new_points_or_box(
        theirs.state, 0, "a", box=box, points=torch.tensor([[0.35, 0.5]]), labels=torch.tensor([1]),
        normalize_coords=False,
    )  # fmt: skip
    from trackmatte.prompt import Box

    tracker = ours(folder)
    tracker.prompt(frame(folder, 0), Prompt(0, "a", (Point(0.35, 0.5),), Box(0.2, 0.2, 0.6, 0.8)))
    same(walk(tracker, folder, range(LENGTH))["a"], theirs.run(0)["a"], range(LENGTH))


def test_several_prompts_the_later_one_known_from_the_start(folder: Path) -> None:
    theirs, tracker = Official(folder), ours(folder)
    for i in (0, 9, 15):
        theirs.mask(i)
        tracker.prompt(frame(folder, i), prompt_mask(i))
    free = [i for i in range(LENGTH) if i not in (0, 9, 15)]
    same(walk(tracker, folder, range(LENGTH))["a"], theirs.run(0)["a"], free)


def test_object_added_while_streaming(folder: Path) -> None:
    theirs = Official(folder)
    theirs.mask(0)
    before = theirs.run(0, count=9)["a"]
    theirs.mask(10, "b", 40)
    after = theirs.run(10)
    tracker = ours(folder)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    first = walk(tracker, folder, range(10))
    tracker.prompt(frame(folder, 10), prompt_mask(10, "b", 40))
    rest = walk(tracker, folder, range(10, LENGTH))
    same(first["a"], before, range(1, 10))
    same(rest["a"], after["a"], range(11, LENGTH))
    same(rest["b"], after["b"], range(11, LENGTH))


@pytest.mark.parametrize("restored", [False, True])
def test_correction(folder: Path, restored: bool) -> None:
    theirs = Official(folder)
    theirs.mask(0)
    before = theirs.run(0)["a"]
    theirs_at = theirs.click(12, [[0.6, 0.5], [0.2, 0.2]], [1, 0])
    after = theirs.run(12)["a"]
    tracker = ours(folder)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    if restored:
        walk(tracker, folder, range(8))
        state = {k: v.copy() for k, v in tracker.snapshot("a").items()}
        tracker = ours(folder)
        tracker.prompt(frame(folder, 0), prompt_mask(0))
        tracker.restore("a", state)
        walk(tracker, folder, range(8, 13))
    else:
        walk(tracker, folder, range(13))
    prompt = Prompt(12, "a", (Point(0.6, 0.5), Point(0.2, 0.2, 0)))
    mask = tracker.prompt(frame(folder, 12), prompt)
    np.testing.assert_array_equal(mask.logits, theirs_at)
    memory = tracker.memory("a", 12)
    mine = walk(tracker, folder, range(13, LENGTH))["a"]
    same(mine, after, range(13, LENGTH))
    # A later run knows the correction from its memory and goes on from a saved state.
    later = ours(folder)
    later.prompt(frame(folder, 0), prompt_mask(0))
    later.prompt(frame(folder, 12), prompt, memory)
    whole = walk(later, folder, range(LENGTH))["a"]
    same(whole, before | after | {12: theirs_at}, range(1, LENGTH))


def test_two_corrections_one_after_the_other(folder: Path) -> None:
    theirs, tracker = Official(folder), ours(folder)
    theirs.mask(0)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    walk(tracker, folder, range(LENGTH))
    reference = theirs.run(0)["a"]
    for at, xy in ((8, [0.6, 0.5]), (17, [0.3, 0.4])):
        theirs.click(at, [xy], [1])
        reference |= theirs.run(at)["a"]
        tracker.rewind()
        walk(tracker, folder, range(at + 1))
        tracker.prompt(frame(folder, at), Prompt(at, "a", (Point(*xy),)))
    tracker.rewind()
    same(walk(tracker, folder, range(LENGTH))["a"], reference, range(1, LENGTH))


def test_second_click_on_a_corrected_frame(folder: Path) -> None:
    theirs = Official(folder)
    theirs.mask(0)
    theirs.run(0)
    theirs.click(12, [[0.6, 0.5]], [1])
    theirs_at = theirs.click(12, [[0.6, 0.5], [0.2, 0.2]], [1, 0])
    tracker = ours(folder)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    walk(tracker, folder, range(13))
    tracker.prompt(frame(folder, 12), Prompt(12, "a", (Point(0.6, 0.5),)))
    mask = tracker.prompt(frame(folder, 12), Prompt(12, "a", (Point(0.6, 0.5), Point(0.2, 0.2, 0))))
    np.testing.assert_array_equal(mask.logits, theirs_at)


def test_backward(folder: Path) -> None:
    theirs, tracker = Official(folder), ours(folder)
    theirs.mask(20)
    tracker.prompt(frame(folder, 20), prompt_mask(20))
    same(walk(tracker, folder, range(20, -1, -1))["a"], theirs.run(20, reverse=True)["a"], range(20))


def test_backward_that_reuses_the_forward_memory(folder: Path) -> None:
    theirs, tracker = Official(folder), ours(folder, backward="reuse")
    theirs.mask(6)
    theirs.run(6)
    tracker.prompt(frame(folder, 6), prompt_mask(6))
    walk(tracker, folder, range(6, LENGTH))
    state = tracker.snapshot("a")
    tracker.rewind()
    reverse = theirs.run(6, reverse=True)["a"]
    same(walk(tracker, folder, range(6, -1, -1))["a"], reverse, range(6))
    other = ours(folder, backward="reuse")  # in a later run, from a state of the forward pass
    other.prompt(frame(folder, 6), prompt_mask(6))
    other.restore("a", state)
    other.rewind("a")
    same(walk(other, folder, range(6, -1, -1))["a"], reverse, range(6))


def test_occluded_subject(folder: Path) -> None:
    """The score head's bias is the median score, so that the object comes and goes."""
    probe = ours(folder, 2)
    probe.prompt(frame(folder, 0), prompt_mask(0))
    scores = []
    for i in range(LENGTH):
        scores += [m.quality["object"] for m in probe.step(frame(folder, i)) if m.quality]
    bias = 5.0 - float(np.median(scores))
    theirs = Official(folder, 2, bias)
    theirs.mask(0)
    tracker = ours(folder, 2, bias)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    mine, reference = walk(tracker, folder, range(LENGTH))["a"], theirs.run(0)["a"]
    hidden = [i for i in range(1, LENGTH) if (mine[i] <= -1000).all()]
    assert 0 < len(hidden) < LENGTH - 1
    for i in range(1, LENGTH):
        np.testing.assert_array_equal(mine[i], reference[i])


def test_three_objects_and_the_batched_mode(folder: Path) -> None:
    theirs, exact, batched = Official(folder), ours(folder), ours(folder, batched=True)
    for n, obj in enumerate("abc"):
        theirs.mask(0, obj, 30 * n)
        exact.prompt(frame(folder, 0), prompt_mask(0, obj, 30 * n))
        batched.prompt(frame(folder, 0), prompt_mask(0, obj, 30 * n))
    reference = theirs.run(0)
    mine, fast = walk(exact, folder, range(LENGTH)), walk(batched, folder, range(LENGTH))
    for obj in "abc":
        same(mine[obj], reference[obj], range(1, LENGTH))
        gap = max(float(np.abs(fast[obj][i] - reference[obj][i]).max()) for i in range(1, LENGTH))
        assert gap < 0.02, gap


def test_a_clip_shorter_than_the_pointer_window(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "jpg").mkdir()
    for i in range(7):
        os.link(folder / "jpg" / f"{i:05d}.jpg", tmp_path / "jpg" / f"{i:05d}.jpg")
    theirs = Official(folder)
    theirs.state = theirs.predictor.init_state(str(tmp_path / "jpg"))
    theirs.mask(0)
    tracker = SAM2Tracker(length=7, device="cpu", **micro.settings(folder))
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    reference = theirs.run(0)["a"]
    same(walk(tracker, folder, range(7))["a"], reference, range(1, 7))
    wrong = ours(folder)  # control: it believes that the clip is longer
    wrong.prompt(frame(folder, 0), prompt_mask(0))
    other = walk(wrong, folder, range(7))["a"]
    assert max(float(np.abs(other[i] - reference[i]).max()) for i in range(1, 7)) > 1e-3


@pytest.mark.parametrize("wrong", ["seven pointers", "growing length"])
def test_control_differs(folder: Path, wrong: str) -> None:
    theirs, tracker = Official(folder), ours(folder)
    theirs.mask(0)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    if wrong == "seven pointers":
        tracker.subjects["a"].recall.pointers = 6
    mine = {}
    for i in range(LENGTH):
        if wrong == "growing length":
            tracker._length = i + 1
        mine[i] = tracker.step(frame(folder, i))[0].logits
    reference = theirs.run(0)["a"]
    assert max(float(np.abs(mine[i] - reference[i]).max()) for i in range(1, LENGTH)) > 1e-3


def test_control_memory_of_full_precision_differs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, tracker = Official(folder), ours(folder)
    theirs.mask(0)
    real = tracker.model._encode

    def exact(*args: Any, **kwargs: Any) -> Any:
        keep = torch.Tensor.to
        monkeypatch.setattr(
            torch.Tensor, "to", lambda t, *a, **k: t if a == (torch.bfloat16,) else keep(t, *a, **k)
        )
        try:
            return real(*args, **kwargs)
        finally:
            monkeypatch.setattr(torch.Tensor, "to", keep)

    monkeypatch.setattr(tracker.model, "_encode", exact)
    tracker.prompt(frame(folder, 0), prompt_mask(0))
    mine, reference = walk(tracker, folder, range(LENGTH))["a"], theirs.run(0)["a"]
    assert max(float(np.abs(mine[i] - reference[i]).max()) for i in range(1, LENGTH)) > 1e-5


def test_bfloat16_is_near_and_restores_to_the_same_bytes(folder: Path) -> None:
    exact, half = ours(folder), ours(folder, precision="bfloat16")
    for tracker in (exact, half):
        tracker.prompt(frame(folder, 0), prompt_mask(0))
    reference = walk(exact, folder, range(12))["a"]
    mine = walk(half, folder, range(12))["a"]
    assert 0 < max(float(np.abs(mine[i] - reference[i]).max()) for i in range(1, 12)) < 0.3
    state = {k: v.copy() for k, v in half.snapshot("a").items()}
    (going_on,) = half.step(frame(folder, 12))
    again = ours(folder, precision="bfloat16")
    again.prompt(frame(folder, 0), prompt_mask(0))
    again.restore("a", state)
    (restored,) = again.step(frame(folder, 12))
    assert restored.logits.tobytes() == going_on.logits.tobytes()
