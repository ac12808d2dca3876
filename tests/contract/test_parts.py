"""What every registered tracker, refiner and writer must do, whoever wrote it."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests.movies import read_movie
from trackmatte.color import SRGB, standard
from trackmatte.errors import OutputError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.picture import Picture
from trackmatte.prompt import Box, Prompt
from trackmatte.refiners import REFINERS, Refiner
from trackmatte.trackers import TRACKERS, Tracker
from trackmatte.writers import WRITERS, Delivery, Writer
from trackmatte.writers.presets import PRESETS, compose

SIZE = (160, 96)


def frame(i: int, size: tuple[int, int] = SIZE) -> Frame:
    return Frame(i, 1001 + i, Fraction(i, 24), disc.plate_at(i, size))


def truth(i: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return disc.alpha_at(i, size) > 0.5


def logits(i: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return (disc.alpha_at(i, size) - 0.5) * 12


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


@pytest.fixture(params=[n for n in TRACKERS if n not in ("fake", "carrying")])
def tracker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return make(request.param, tmp_path_factory)


@pytest.fixture
def trained(tracker: Tracker) -> Tracker:
    if type(tracker).__name__ == "SAM2Tracker":
        pytest.skip("SAM 2 runs on random weights here: it does not know what a disc is")
    return tracker


def make(name: str, folders: pytest.TempPathFactory) -> Tracker:
    """Return a tracker; SAM 2 as a micro model with random weights."""
    if name != "sam2":
        return TRACKERS.get(name)()
    for package in ("torch", "sam2"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from tests import micro

    folder = folders.getbasetemp() / "micro"
    folder.mkdir(exist_ok=True)
    settings = micro.settings(folder)
    made = TRACKERS.get("sam2")(device="cpu", **settings)
    OTHERS[made] = settings
    return made


OTHERS: WeakKeyDictionary[Tracker, dict[str, str]] = WeakKeyDictionary()


def another(tracker: Tracker) -> Tracker:
    """Return a second tracker like this one."""
    return type(tracker)(**OTHERS.get(tracker, {}))


@pytest.fixture(params=list(REFINERS))
def refiner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Refiner:
    needs = {"mam": ("torch", "segment_anything"), "hiera": ("torch", "sam2")}.get(request.param)
    if needs is None:
        return REFINERS.get(request.param)()
    for package in needs:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    from tests import micro

    folder = tmp_path_factory.getbasetemp() / request.param
    folder.mkdir(exist_ok=True)
    settings = {"mam": micro.mam, "hiera": micro.hiera}[request.param](folder)
    return REFINERS.get(request.param)(device="cpu", **settings)


@pytest.fixture
def learnt(refiner: Refiner) -> Refiner:
    if type(refiner).__name__ in ("MamRefiner", "HieraRefiner"):
        pytest.skip("the decoder runs on random weights here: it has learnt nothing")
    return refiner


class TestTracker:
    def test_follows_the_subject_both_ways_from_the_middle(self, trained: Tracker) -> None:
        tracker = trained
        tracker.prompt(frame(4), Prompt(1005, mask=truth(4)))
        for order in (range(4, 9), range(4, -1, -1)):
            tracker.rewind()
            for i in order:
                (mask,) = tracker.step(frame(i))
                assert mask.index == i
                assert mask.object == "subject"
                assert mask.logits.dtype == np.float32
                assert 0 <= mask.score <= 1
                assert np.isfinite(mask.logits).all()
                assert iou(mask.binary, truth(i)) > 0.85

    def test_prompted_frame_is_honoured_exactly(self, tracker: Tracker) -> None:
        tracker.prompt(frame(0), Prompt(1001, mask=truth(0)))
        odd = np.zeros(SIZE[::-1], bool)
        odd[20:70, 30:50] = True
        tracker.prompt(frame(3), Prompt(1004, mask=odd))
        tracker.rewind()
        masks = [tracker.step(frame(i))[0] for i in range(4)]
        np.testing.assert_array_equal(masks[0].binary, truth(0))
        np.testing.assert_array_equal(masks[3].binary, odd)

    def test_restored_state_goes_on_with_the_same_bytes(self, tracker: Tracker) -> None:
        prompt = Prompt(1001, mask=truth(0))
        tracker.prompt(frame(0), prompt)
        tracker.rewind()
        for i in range(3):
            tracker.step(frame(i))
        state = {k: np.array(v) for k, v in tracker.snapshot("subject").items()}
        rest = [tracker.step(frame(i))[0] for i in range(3, 6)]
        other = another(tracker)
        other.prompt(frame(0), prompt)
        other.rewind()
        other.restore("subject", state)
        for i, expected in enumerate(rest, 3):
            (mask,) = other.step(frame(i))
            assert mask.logits.tobytes() == expected.logits.tobytes()
            assert mask.score == expected.score

    def test_objects_do_not_change_each_other(self, tracker: Tracker) -> None:
        other = another(tracker)
        for t in (tracker, other):
            t.prompt(frame(0), Prompt(1001, "a", mask=truth(0)))
        other.prompt(frame(0), Prompt(1001, "b", mask=np.roll(truth(0), 30, 1)))
        for t in (tracker, other):
            t.rewind()
        for i in range(3):
            alone, both = tracker.step(frame(i)), other.step(frame(i))
            assert [m.object for m in both] == ["a", "b"]
            np.testing.assert_array_equal(alone[0].logits, both[0].logits)

    def test_one_object_begins_again_while_the_other_goes_on(self, tracker: Tracker) -> None:
        alone = another(tracker)
        for t in (tracker, alone):
            t.prompt(frame(0), Prompt(1001, "a", mask=truth(0)))
        tracker.prompt(frame(0), Prompt(1001, "b", mask=np.roll(truth(0), 30, 1)))
        for i in range(3):
            tracker.step(frame(i))
            alone.step(frame(i))
        tracker.rewind("b")
        assert tracker.snapshot("b") == {}
        (mask,), (expected,) = tracker.step(frame(3)), alone.step(frame(3))
        assert mask.object == "a"
        np.testing.assert_array_equal(mask.logits, expected.logits)

    def test_looking_ahead_changes_nothing(self, tracker: Tracker) -> None:
        other = another(tracker)
        for t in (tracker, other):
            t.prompt(frame(0), Prompt(1001, mask=truth(0)))
        looks = [other.look(frame(i)) for i in range(3)]
        for i in range(3):
            (a,), (b,) = tracker.step(frame(i)), other.step(frame(i), looks[i])
            assert a.logits.tobytes() == b.logits.tobytes()

    def test_the_plate_is_left_alone(self, tracker: Tracker) -> None:
        frames = [frame(i) for i in range(3)]
        tracker.prompt(frames[0], Prompt(1001, mask=truth(0)))
        tracker.rewind()
        for f in frames:
            tracker.step(f)
        assert all(np.array_equal(f.rgb, frame(f.index).rgb) for f in frames)

    def test_unknown_settings_are_refused(self, tracker: Tracker) -> None:
        with pytest.raises(UsageError, match="wibble"):
            type(tracker).settle({"wibble": 1})

    def test_state_does_not_grow(self, tracker: Tracker) -> None:
        tracker.prompt(frame(0), Prompt(1001, mask=truth(0)))
        tracker.rewind()
        sizes = []
        for i in range(40):
            tracker.step(frame(i))
            sizes.append(sum(np.asarray(v).nbytes for v in tracker.snapshot("subject").values()))
        assert max(sizes[20:]) <= max(sizes[:20]) * 1.1

    @pytest.mark.parametrize("size", [(3, 40), (41, 97), (1, 1), (97, 41)])
    def test_any_frame_size(self, tracker: Tracker, size: tuple[int, int]) -> None:
        whole = np.ones(size[::-1], bool)
        tracker.prompt(frame(0, size), Prompt(1001, mask=whole))
        tracker.rewind()
        for i in range(2):
            (mask,) = tracker.step(frame(i, size))
            assert np.isfinite(mask.logits).all()

    def test_box_prompt_selects_the_disc(self, trained: Tracker) -> None:
        mask = trained.prompt(frame(0), Prompt(1001, box=Box(0.2, 0.2, 0.5, 0.8)))
        assert iou(mask.binary, truth(0)) > 0.8


class TestRefiner:
    def test_stays_with_a_good_mask_and_in_range(self, learnt: Refiner) -> None:
        refiner = learnt
        matte = refiner.refine(frame(0), Mask(0, "subject", logits(0), 1.0))
        assert matte.alpha.shape == SIZE[::-1]
        assert matte.alpha.dtype == np.float32
        assert 0 <= matte.alpha.min() <= matte.alpha.max() <= 1
        assert np.abs(matte.alpha - disc.alpha_at(0, SIZE)).mean() < 0.02

    def test_core_and_far_background_are_untouched(self, refiner: Refiner) -> None:
        size = (480, 270)
        a = refiner.refine(frame(0, size), Mask(0, "s", logits(0, size), 1.0)).alpha
        yy, xx = np.mgrid[: size[1], : size[0]] + 0.5
        d = size[1] / 5 - np.hypot(xx - size[0] * 0.35, yy - size[1] * 0.5)
        assert (a[d > size[1] / 7] == 1).all()
        assert (a[d < -size[1] / 4] == 0).all()

    def test_masks_of_another_scale(self, learnt: Refiner) -> None:
        refiner = learnt
        size = (480, 270)
        small = logits(0, (240, 135))
        matte = refiner.refine(frame(0, size), Mask(0, "s", small, 1.0))
        assert matte.alpha.shape == size[::-1]
        assert np.abs(matte.alpha - disc.alpha_at(0, size)).mean() < 0.02

    @pytest.mark.parametrize("fill", [-8.0, 8.0])
    def test_empty_and_full(self, refiner: Refiner, fill: float) -> None:
        mask = Mask(0, "s", np.full((48, 80), fill, np.float32), 1.0)
        alpha = refiner.refine(frame(0), mask).alpha
        np.testing.assert_array_equal(alpha, np.full(SIZE[::-1], fill > 0, np.float32))

    @pytest.mark.parametrize("size", [(3, 40), (1, 1), (41, 97)])
    def test_any_frame_size(self, refiner: Refiner, size: tuple[int, int]) -> None:
        mask = Mask(0, "s", np.linspace(-3, 3, 25, dtype=np.float32).reshape(5, 5), 1.0)
        assert np.isfinite(refiner.refine(frame(0, size), mask).alpha).all()

    def test_non_finite_plates(self, refiner: Refiner) -> None:
        rgb = disc.plate_at(0, SIZE).astype(np.float32) / 255
        rgb[30:40, 50:60] = np.nan
        rgb[50:52] = np.inf
        plate = Frame(0, 1, Fraction(0), rgb, standard("linear"))
        alpha = refiner.refine(plate, Mask(0, "s", logits(0), 1.0)).alpha
        assert np.isfinite(alpha).all()

    def test_the_plate_is_left_alone(self, refiner: Refiner) -> None:
        plate = disc.plate_at(0, SIZE)
        for rgb in (plate, plate * np.uint16(257), plate / np.float32(255)):
            kept = rgb.copy()
            colour = standard("linear") if rgb.dtype == np.float32 else SRGB
            refiner.refine(Frame(0, 1001, Fraction(0), rgb, colour), Mask(0, "subject", logits(0), 1.0))
            assert np.array_equal(rgb, kept)

    def test_same_input_same_bytes(self, refiner: Refiner) -> None:
        one, two = (refiner.refine(frame(0), Mask(0, "s", logits(0), 1.0)).alpha for _ in range(2))
        assert one.tobytes() == two.tobytes()


def picture(number: int, origin: str = "") -> Picture:
    matte = Matte(0, "s", disc.alpha_at(number - 1001, SIZE))
    return compose(PRESETS["matte"], [matte], number, origin=origin)


def read_alpha(path: Path) -> np.ndarray:
    """Return (H, W) alpha of an image."""
    if path.suffix == ".exr":
        with OpenEXR.File(str(path), separate_channels=True) as f:
            return np.asarray(f.channels()["A"].pixels, np.float64)
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    return np.asarray(stored / 65535)


class TestWriter:
    @pytest.fixture(params=list(WRITERS))
    def writer(self, request: pytest.FixtureRequest) -> type[Writer]:
        return WRITERS.get(request.param)

    def write(self, writer: type[Writer], delivery: Delivery, origin: str = "") -> list[Path]:
        with writer(delivery) as made:
            for n in range(1001, 1004):
                made.write(picture(n, origin))
        return sorted(delivery.folder.iterdir())

    def test_is_reproducible_and_never_overwrites(self, writer: type[Writer], tmp_path: Path) -> None:
        files = self.write(writer, Delivery(tmp_path / "a", "m"))
        assert len(files) == (3 if writer.sequence else 1)
        assert all(f.name.startswith("m.") or f.name.startswith("m_") for f in files)
        data = [f.read_bytes() for f in files]
        with pytest.raises(OutputError, match="exists"):
            self.write(writer, Delivery(tmp_path / "a", "m"))
        assert [f.read_bytes() for f in files] == data
        assert [f.read_bytes() for f in self.write(writer, Delivery(tmp_path / "b", "m"))] == data
        self.write(writer, Delivery(tmp_path / "a", "m", overwrite=True))
        assert [f.read_bytes() for f in files] == data

    def test_an_error_leaves_no_half_file(self, writer: type[Writer], tmp_path: Path) -> None:
        made = writer(Delivery(tmp_path, "m"))
        with contextlib.suppress(KeyError), made:
            made.write(picture(1001))
            raise KeyError
        assert [p.name for p in tmp_path.iterdir()] == (
            ["m.1001" + made.target[-4:]] if made.sequence else []
        )

    def test_alpha_comes_back(
        self, writer: type[Writer], request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        """EXR through OpenEXR, PNG through OpenCV, movies through PyAV plane by plane."""
        name = str(request.node.callspec.params["writer"])
        error = {"exr": 2**-12, "png": 1 / 65535, "prores": 0.0012, "ffv1": 1 / 65535}.get(name, 0.04)
        files = self.write(writer, Delivery(tmp_path, "m"))
        if writer.sequence:
            alphas = [read_alpha(f) for f in files]
        else:
            alphas = [shown.alpha for shown in read_movie(files[0])]
        assert len(alphas) == 3
        for i, alpha in enumerate(alphas):
            truth = disc.alpha_at(i, SIZE)
            assert abs(alpha - truth).max() <= error
            assert (alpha[truth == 1] == 1).all() or name == "vp9"
            assert (alpha[truth == 0] == 0).all() or name == "vp9"

    def test_finished_files_are_known_by_what_made_them(self, writer: type[Writer], tmp_path: Path) -> None:
        delivery = Delivery(tmp_path, "m")
        plan = {1001: "abc", 1002: "abd", 1003: "abe"}

        def planned(plan: dict[int, str]) -> Writer:
            made = writer(delivery)
            made.plan(plan)
            return made

        assert not planned(plan).finished(1001, "abc")
        with planned(plan) as made:
            for n, origin in plan.items():
                made.write(picture(n, origin))
        files = sorted(tmp_path.iterdir())
        made = planned(plan)
        assert all(made.finished(n, origin) for n, origin in plan.items())
        assert made.conflicts(plan) == []
        changed = planned({**plan, 1002: "xyz"})
        assert not changed.finished(1002, "xyz")
        assert changed.conflicts({1002: "xyz"}) == [files[1 if writer.sequence else 0]]
        if writer.sequence:
            assert not made.finished(1001, "")
            assert not made.finished(1004, "abc")
        whole = files[0].read_bytes()
        files[0].write_bytes(whole[:-200])
        assert not planned(plan).finished(1001, "abc")
        if not writer.sequence:
            for at in range(0, len(whole), len(whole) // 50):
                files[0].write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
                assert not planned(plan).finished(1001, "abc")
        files[0].write_bytes(whole)
        assert planned(plan).finished(1001, "abc")


def test_registry_names_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no tracker is called 'x'; there are: .*flow"):
        TRACKERS.get("x")
