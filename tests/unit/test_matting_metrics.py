"""The matting metrics reproduce the golden value of their definition."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bench import matting
from tests.bench.matting_metrics import METRICS, average, conn, decoded, grad, quantised, score_clip
from tests.disc import alpha_at, write_mask, write_movie


def disc(t: int, *, softness: float, speed: float) -> NDArray[np.uint8]:
    y, x = np.mgrid[:288, :512].astype(np.float32)
    r = np.hypot(x - np.float32(256 + speed * t), y - 144)
    return np.rint(np.clip((90 - r) / softness + 0.5, 0, 1) * 255).astype(np.uint8)


TRUTH = [disc(t, softness=12, speed=3) for t in (0, 1)]
PREDICTION = [disc(t, softness=20, speed=3.4) for t in (0, 1)]
GOLDEN = {"MAD": 7.70934, "MSE": 1.03883, "Grad": 1.003081, "Conn": 1.001863, "dtSSD": 2.08833}
"""Of the second frame, its dtSSD against the first."""


def test_golden_value() -> None:
    found = dict(zip(METRICS, score_clip(PREDICTION, TRUTH)[1].tolist(), strict=True))
    assert found == pytest.approx(GOLDEN, rel=3e-5)


def test_first_frame_counts_as_no_flicker() -> None:
    scores = score_clip(PREDICTION, TRUTH)
    assert scores[0, 4] == 0
    assert average([scores])[4] == pytest.approx(GOLDEN["dtSSD"] / 2, rel=3e-5)


def test_halved_prediction_tells_the_gradient_scripts_apart() -> None:
    half = decoded(PREDICTION[1]) * np.float32(0.5)
    assert grad(half, TRUTH[1]) == pytest.approx(1.003, abs=1e-3)
    assert grad(half, TRUTH[1], normalise=False) == pytest.approx(1.814, abs=1e-3)


def test_perfect_prediction_scores_zero() -> None:
    assert not score_clip(TRUTH, TRUTH).any()


def test_empty_mattes_score_zero() -> None:
    empty = np.zeros((9, 7), np.uint8)
    assert not score_clip([empty], [empty]).any()


def test_connectivity_sees_a_detached_island() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[5:20, 5:20] = 255
    island = truth.copy()
    island[30:33, 30:33] = 255
    assert conn(island, truth) == pytest.approx(9 / 1e3)


def test_clips_are_averaged_per_frame_index_first() -> None:
    long, short = np.array([[1.0], [5.0]]), np.array([[3.0]])
    assert average([long, short])[0] == pytest.approx((2 + 5) / 2)


def test_bench_on_random_weights_says_that_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if any(find_spec(package) is None for package in ("torch", "segment_anything")):
        pytest.skip("Matting Anything's packages are not installed")
    size, clip = (192, 128), tmp_path / "disc"
    clip.mkdir()
    write_movie(clip / "plate.mp4", 2, size)
    write_mask(clip / "mask0.png", 0, size)
    with av.open(str(clip / "alpha.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = (*size, "gray16le")
        for i in range(2):
            grey = np.rint(alpha_at(i, size) * 65535).astype(np.uint16)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray16le")))
        out.mux(stream.encode(None))
    matting.main([str(tmp_path), "--masks", "truth", "--mam-random", "--markdown", str(tmp_path / "t.md")])
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out.replace("\n\n\n", "\n\n") + "\n"
    rows = {cells[1].strip(): cells[2:-1] for line in text.splitlines() if len(cells := line.split("|")) > 8}
    assert {"mask only", "trackmatte closed_form", "pymatting +-20 px"} < set(rows)
    assert [name for name in rows if "mam" in name] == [
        "trackmatte mam, random weights: figures mean nothing"
    ]
    assert [c.strip() for c in rows["disc"]] == [*METRICS, "CPU-s", "wall-s"]
    hard = [quantised((alpha_at(i, size) > 0.5).astype(np.float32)) for i in range(2)]
    expected = score_clip(hard, [quantised(alpha_at(i, size)) for i in range(2)]).mean(0)
    assert [float(c) for c in rows["mask only"][:5]] == pytest.approx(expected.tolist(), abs=6e-4)
