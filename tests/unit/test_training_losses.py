"""Losses, their weights and the schedule, against independent implementations."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")

from trackmatte.errors import UsageError  # noqa: E402
from trackmatte.refiners.mam_decoder import M2M, Scales  # noqa: E402
from trackmatte.training.loop import Plan  # noqa: E402
from trackmatte.training.losses import (  # noqa: E402
    LEVELS,
    laplacian_loss,
    laplacian_pyramid,
    loss_weights,
    matting_losses,
    unsure,
    weighted_l1,
)

SIDE = 96


def planes(seed: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).random((count, SIDE, SIDE), np.float32)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x, np.float32))[:, None]


def opencv_pyramid(x: np.ndarray) -> list[np.ndarray]:
    bands = []
    for _ in range(LEVELS):
        down = cv2.pyrDown(x)
        bands.append(x - cv2.pyrUp(down))
        x = down
    return bands


def test_the_pyramid_is_opencvs_to_the_very_border() -> None:
    given = planes(0)
    ours = laplacian_pyramid(tensor(given))
    assert [b.shape[-1] for b in ours] == [96, 48, 24, 12, 6]
    for i, plane in enumerate(given):
        for mine, theirs in zip(ours, opencv_pyramid(plane), strict=True):
            np.testing.assert_allclose(mine[i, 0].numpy(), theirs, atol=2e-6)


def test_the_laplacian_loss_is_that_of_opencvs_pyramids() -> None:
    a, b = planes(1), planes(2)
    weight = (planes(3) > 0.6).astype(np.float32)
    expected = 0.0
    pyramids = [(opencv_pyramid(x), opencv_pyramid(y)) for x, y in zip(a, b, strict=True)]
    for level in range(LEVELS):
        w = weight[:, :: 2**level, :: 2**level]
        apart = np.stack([x[level] - y[level] for x, y in pyramids])
        expected += 2**level * float((np.abs(apart) * w).sum() / w.sum())
    ours = float(laplacian_loss(tensor(a), tensor(b), tensor(weight)))
    assert ours == pytest.approx(expected, rel=1e-5)
    assert float(laplacian_loss(tensor(a), tensor(a), tensor(weight))) == 0
    shifted = float(laplacian_loss(tensor(a), tensor(a + 0.25), torch.ones(2, 1, SIDE, SIDE)))
    assert shifted < 1e-4  # a constant is not in any band: that is what the L1 part is for


def test_weighted_l1_counts_the_band_alone_and_survives_an_empty_one() -> None:
    a, b = planes(4), planes(5)
    band = planes(6) > 0.7
    ours = float(weighted_l1(tensor(a), tensor(b), tensor(band)))
    assert ours == pytest.approx(float(np.abs(a - b)[band].mean()), rel=1e-5)
    assert float(weighted_l1(tensor(a), tensor(b), tensor(band * 0))) == 0


def test_parts_have_the_published_shares() -> None:
    a, truth = tensor(planes(7)), tensor(planes(8))
    ones = torch.ones_like(a)
    parts = matting_losses(Scales(a, a, a), truth, {"os8": ones, "os4": ones, "os1": ones})
    assert sorted(parts) == ["l1_os1", "l1_os4", "l1_os8", "lap_os1", "lap_os4", "lap_os8"]
    for kind in ("l1", "lap"):
        assert float(parts[f"{kind}_os1"] / parts[f"{kind}_os8"]) == pytest.approx(2)
        assert float(parts[f"{kind}_os4"] / parts[f"{kind}_os8"]) == pytest.approx(1)
    assert float(parts["l1_os8"]) == pytest.approx(float((a - truth).abs().mean()) / 5, rel=1e-5)


def test_where_each_scale_counts_follows_the_step() -> None:
    sure = torch.zeros(1, 1, SIDE, SIDE)
    coarse, fine = sure.clone(), sure.clone()
    coarse[..., 40:50, 40:50] = 0.5
    fine[..., 44:46, 44:46] = 0.5
    scales = Scales(coarse, fine, sure)
    guide, unknown = sure.clone(), sure.clone()
    guide[..., :10, :] = 1
    unknown[..., -10:, :] = 1

    def at(step: int, seed: int) -> dict[str, torch.Tensor]:
        found = loss_weights(step, 10, scales, guide, unknown, np.random.default_rng(seed))
        assert found["os8"].mean() == 1
        return found

    for seed in range(4):
        assert all(w.mean() == 1 for w in at(9, seed).values())
    middle = [at(n, seed)["os4"] for n in (10, 29) for seed in range(8)]
    assert {torch.equal(w, guide) for w in middle} == {True, False}
    assert all(torch.equal(w, guide) or torch.equal(w, unknown) for w in middle)
    late = [at(30, seed) for seed in range(8)]
    kinds = {torch.equal(w["os4"], unknown) for w in late}
    assert kinds == {True, False}
    for w in late:
        if not torch.equal(w["os4"], unknown):
            for name, inner, limit in (("os4", coarse, 29), ("os1", fine, 14)):
                assert (w[name] >= (inner > 0)).all()
                rows = w[name][0, 0].any(1).sum() - (inner[0, 0] > 0).any(1).sum()
                assert 0 <= int(rows) < limit


def test_rims_differ_and_certain_pixels_ask_for_nothing() -> None:
    alpha = torch.zeros(6, 1, SIDE, SIDE)
    assert unsure(alpha, 30, np.random.default_rng(0)).sum() == 0
    assert unsure(alpha + 1, 30, np.random.default_rng(0)).sum() == 0
    alpha[..., 48, 48] = 0.5
    sizes = unsure(alpha, 30, np.random.default_rng(0)).sum((1, 2, 3))
    assert len(sizes.unique()) > 3
    assert sizes.min() >= 1


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    plan = Plan(steps=20000)
    assert plan.warmup() == 4000
    assert plan.rate_at(0) == pytest.approx(1e-3 / 4000)
    assert plan.rate_at(3999) == pytest.approx(1e-3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1e-3)
    cosine = reference(adam, T_max=16000)
    for step in range(4000, 4400):
        assert plan.rate_at(step) == pytest.approx(cosine.get_last_lr()[0], rel=1e-9)
        adam.step()
        cosine.step()
    assert plan.rate_at(12000) == pytest.approx(1e-3 * (1 + math.cos(math.pi / 2)) / 2)
    assert 0 < plan.rate_at(19999) < 1e-9
    assert Plan(steps=1).rate_at(0) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"batch": 0}, {"rate": 0.0}, {"size": 100}, {"size": 32}, {"rate": math.nan}]
)
def test_plans_that_cannot_be(change: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Plan(**change).check()  # type: ignore[arg-type]


def test_spectral_norms_come_to_one_in_training_and_stand_still_otherwise() -> None:
    torch.manual_seed(0)
    net = M2M()
    conv = net.get_submodule("layer4.1.conv1")
    x = torch.randn(1, 32, 4, 4)

    def largest() -> float:
        return float(torch.linalg.svdvals(conv.weight().detach().flatten(1))[0])

    before = largest()
    assert before > 1.2  # at first only the first row is normalised
    conv.eval()(x)
    assert largest() == before
    conv.train()
    for _ in range(300):
        conv(x)
    assert largest() == pytest.approx(1, abs=0.02)
    conv(x).sum().backward()
    assert conv.module["weight_bar"].grad is not None
    assert conv.module["weight_u"].grad is None
