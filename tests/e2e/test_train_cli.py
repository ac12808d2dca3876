"""A decoder trained by command learns, reloads and mattes a clip; micro SAM 2, synthetic set."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from tests import cutouts
from trackmatte import weights
from trackmatte.cli import main

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")
from tests import micro  # noqa: E402
from trackmatte.refiners.hiera_model import load_decoder, read_decoder  # noqa: E402
from trackmatte.refiners.mam_decoder import HIERA, M2M  # noqa: E402
from trackmatte.trackers.sam2_model import Model  # noqa: E402
from trackmatte.training import log  # noqa: E402
from trackmatte.training.dataset import Dataset, Sample  # noqa: E402
from trackmatte.training.validate import Validation  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
SIDE, STEPS = 64, 60


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")


def run(*words: object) -> int:
    return main([str(w) for w in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    cutouts.write(folder / "set")
    return folder


@pytest.fixture(scope="module")
def sam2(folder: Path) -> tuple[str, ...]:
    config = micro.config(folder)
    return "--checkpoint", str(micro.checkpoint(folder, config_file=config)), "--config", str(config)


def train(folder: Path, sam2: tuple[str, ...], out: Path, *more: object, steps: int = STEPS) -> int:
    size = ("--size", SIDE, "--batch", 2, "--steps", steps, "--val-count", 8, "--workers", 1)
    rate = ("--rate", 2e-3)
    return run(
        "train-refiner", folder / "set", "--out", out, *sam2, *size, *rate, "--log-every", steps // 2, *more
    )


@pytest.fixture(scope="module")
def trained(folder: Path, sam2: tuple[str, ...]) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKMATTE_DEVICE", "cpu")
        assert train(folder, sam2, folder / "out") == 0
    return folder / "out"


def rows(out: Path) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in row.items()} for row in log.read(out / "log.csv")]


def encoder(sam2: tuple[str, ...]) -> Model:
    return Model(sam2[3], Path(sam2[1]), image_size=SIDE, device="cpu")


def test_it_overfits_a_small_set(folder: Path, sam2: tuple[str, ...], trained: Path) -> None:
    model, validation = encoder(sam2), Validation(Dataset(folder / "set", SIDE), 8)
    torch.manual_seed(0)
    untrained = validation.errors(M2M(HIERA), model)["mad"]
    last = rows(trained)[-1]
    assert last["mad"] < untrained / 3
    assert last["mad"] < last["guide_mad"] * 0.65
    again = validation.errors(load_decoder(trained / "hiera.pt"), model)
    assert again["mad"] == pytest.approx(last["mad"], rel=1e-4)
    assert read_decoder(trained / "hiera.pt").step == STEPS


def test_with_the_wrong_alphas_it_does_not(
    folder: Path, sam2: tuple[str, ...], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: everything is the same but that each picture has another's alpha."""
    right = Dataset.batches

    def wrong(self: Dataset, *given: Any, **more: Any) -> Iterator[Sample]:
        for sample in right(self, *given, **more):
            yield replace(sample, alpha=sample.alpha[::-1].copy(), unknown=sample.unknown[::-1].copy())

    monkeypatch.setattr(Dataset, "batches", wrong)
    assert train(folder, sam2, tmp_path / "out") == 0
    last = rows(tmp_path / "out")[-1]
    assert last["mad"] > last["guide_mad"]
    assert last["loss"] > 1.5 * rows(trained)[-1]["loss"]


def plates(folder: Path) -> tuple[str, np.ndarray]:
    """Write three frames of a cut-out drifting over a background; return pattern and first alpha."""
    rng = np.random.default_rng(77)
    rgba = cutouts.cutout(rng, 128).astype(np.float32)
    back = cutouts.texture(rng, (192, 128), (10, 40, 60), (70, 150, 190)).astype(np.float32)
    alphas = []
    for i in range(3):
        moved = np.pad(rgba, ((0, 0), (30 + 2 * i, 34 - 2 * i), (0, 0)))
        alpha = moved[..., 3:] / 255
        plate = moved[..., :3] * alpha + back * (1 - alpha)
        assert cv2.imwrite(str(folder / f"p.{i:04d}.png"), np.rint(plate[..., ::-1]).astype(np.uint8))
        alphas.append(alpha[..., 0])
    return str(folder / "p.####.png"), alphas[0]


def test_it_mattes_a_clip_better_than_the_mask_it_is_given(
    sam2: tuple[str, ...], trained: Path, tmp_path: Path
) -> None:
    clip, truth = plates(tmp_path)
    hard = cv2.erode((truth > 0.5).astype(np.float32), np.ones((9, 9)))  # a mask with its edge eaten
    assert cv2.imwrite(str(tmp_path / "mask.png"), hard * 255)
    model = [f"checkpoint={sam2[1]}", f"config={sam2[3]}"]
    said = [*model, *(f"refiner.{m}" for m in model), f"refiner.decoder={trained / 'hiera.pt'}"]
    how = ("--tracker", "sam2", "--refiner", "hiera", *(w for s in said for w in ("--set", s)))
    assert run("matte", clip, *how, "--mask", tmp_path / "mask.png", "--out", tmp_path / "out") == 0
    files = sorted((tmp_path / "out").glob("*.exr"))
    assert len(files) == 3
    alphas = [oiio.ImageBuf(str(f)).get_pixels("float")[..., 3] for f in files]
    assert all(0 <= a.min() <= a.max() <= 1 for a in alphas)
    assert np.abs(alphas[0] - truth).mean() < 0.8 * np.abs(hard - truth).mean()
    doc = json.loads((tmp_path / "out" / "p.shot.json").read_text())
    assert doc["refiner"]["name"] == "hiera"
    assert doc["refiner"]["settings"]["image_size"] == SIDE
    assert len(doc["refiner"]["settings"]["sha256"]) == 64


def test_ctrl_c_saves_and_the_same_command_goes_on(
    folder: Path,
    sam2: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    real = log.Log.write

    def interrupted(self: log.Log, step: int, values: dict[str, float]) -> None:
        real(self, step, values)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(log.Log, "write", interrupted)
        assert train(folder, sam2, tmp_path / "a", steps=4) == 130
    assert read_decoder(tmp_path / "a" / "hiera.pt").step == 2
    assert train(folder, sam2, tmp_path / "a", steps=4) == 6
    assert "add --resume" in capfd.readouterr().err
    assert train(folder, sam2, tmp_path / "a", "--resume", "--json", steps=4) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [e["done"] for e in events if e["event"] == "progress"] == [3, 4]
    assert events[-2] == {"event": "trained", "file": str(tmp_path / "a" / "hiera.pt"), "step": 4}
    assert any("training's own pictures" in e.get("message", "") for e in events)
    assert train(folder, sam2, tmp_path / "b", steps=4) == 0
    one, other = (load_decoder(tmp_path / n / "hiera.pt").state_dict() for n in "ab")
    assert all(torch.equal(v, other[k]) for k, v in one.items())
    assert (tmp_path / "a" / "log.csv").read_bytes() == (tmp_path / "b" / "log.csv").read_bytes()


def test_a_val_folder_is_what_is_measured(sam2: tuple[str, ...], tmp_path: Path) -> None:
    cutouts.write(tmp_path / "set", fg=2, bg=1)
    cutouts.write(tmp_path / "set" / "val", fg=1, bg=1, seed=9)
    assert train(tmp_path, sam2, tmp_path / "out", steps=2) == 0
    expected = Validation(Dataset(tmp_path / "set" / "val", SIDE), 8).guide_mad
    assert rows(tmp_path / "out")[-1]["guide_mad"] == pytest.approx(expected, rel=1e-4)


def test_wrong_usage_costs_no_training(
    folder: Path, sam2: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cases: list[tuple[tuple[object, ...], int, str]] = [
        ((tmp_path, *sam2), 3, "there is no folder"),
        ((folder / "set", *sam2, "--size", 100), 2, "multiple of 32"),
        ((folder / "set", *sam2, "--log-every", 0), 2, "at least 1"),
        ((folder / "set", *sam2[:2]), 2, "needs its configuration"),
        ((folder / "set", "--model", "sam2.1_hiera_tiny"), 7, "sam2.1_hiera_tiny are not installed"),
        ((folder / "set", "--model", "wibble"), 2, "no weights are called 'wibble'"),
    ]
    for words, code, says in cases:
        assert run("train-refiner", *words, "--out", tmp_path / "out") == code
        assert says in capfd.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
