"""The decoder of Matting Anything: the published numbers, names and shapes, and files that do not fit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackmatte.errors import MissingPartError, UsageError

torch = pytest.importorskip("torch", reason="torch is not installed")

from trackmatte.refiners.mam_decoder import M2M, FoldedM2M, Scales, load_m2m  # noqa: E402

LAYERS = {"layer2": (260, 128, 3), "layer3": (132, 64, 3), "layer4": (68, 32, 2)}
"""Channels in and out, and blocks."""
SPECTRAL = {"conv1": (32, 32, 4, 4)}
NORMS = {"bn1": 32, "refine_OS1.1": 32, "refine_OS4.1": 32, "refine_OS8.1": 32}
for _layer, (_in, _out, _count) in LAYERS.items():
    SPECTRAL[f"{_layer}.0.conv1"] = (_in, _in, 4, 4)
    SPECTRAL[f"{_layer}.0.conv2"] = (_out, _in, 3, 3)
    SPECTRAL[f"{_layer}.0.upsample.1"] = (_out, _in, 1, 1)
    NORMS |= {f"{_layer}.0.bn1": _in, f"{_layer}.0.bn2": _out, f"{_layer}.0.upsample.2": _out}
    for _name in (f"{_layer}.{i}" for i in range(1, _count)):
        SPECTRAL |= {f"{_name}.conv{n}": (_out, _out, 3, 3) for n in (1, 2)}
        NORMS |= {f"{_name}.bn{n}": _out for n in (1, 2)}
HEADS = {"refine_OS1": 32, "refine_OS4": 64, "refine_OS8": 128}


def published() -> dict[str, tuple[int, ...]]:
    """Every name and shape of the published checkpoint."""
    names: dict[str, tuple[int, ...]] = {}
    for name, shape in SPECTRAL.items():
        names[f"{name}.module.weight_u"] = shape[:1]
        names[f"{name}.module.weight_v"] = (shape[1] * shape[2] * shape[3],)
        names[f"{name}.module.weight_bar"] = shape
    for name, width in NORMS.items():
        names |= {f"{name}.{n}": (width,) for n in ("weight", "bias", "running_mean", "running_var")}
        names[f"{name}.num_batches_tracked"] = ()
    for name, width in HEADS.items():
        names |= {f"{name}.0.weight": (32, width, 3, 3), f"{name}.3.weight": (1, 32, 3, 3)}
        names[f"{name}.3.bias"] = (1,)
    return names


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return normal numbers that depend on the name only."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)


def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the fixture's value of one entry of the checkpoint."""
    kind = name.rpartition(".")[2]
    if kind in ("num_batches_tracked", "weight_u"):
        return np.eye(1, shape[0], dtype=np.float32)[0] if shape else np.zeros((), np.int64)
    if kind == "weight_v":
        bar = name.removesuffix("_v") + "_bar"
        row = noise(bar, published()[bar])[0].ravel()
        return row / np.linalg.norm(row)
    plain, scale = noise(name, shape), 1.0 if kind == "weight_bar" else 0.1
    if kind == "running_var":
        return 1 + np.float32(0.5) * np.abs(plain)
    if kind == "weight" and len(shape) > 1:
        scale = np.sqrt(2 / np.prod(shape[1:]))
    offset = float(kind == "weight" and len(shape) == 1)
    return np.float32(offset) + np.float32(scale) * plain


@cache
def fixture() -> dict[str, Any]:
    return {name: torch.from_numpy(np.array(value(name, shape))) for name, shape in published().items()}


def inputs(h: int = 16, w: int = 16, b: int = 1) -> list[Any]:
    mask = noise("mask", (b, 1, 4 * h, 4 * w)) > 0
    arrays = noise("fea", (b, 256, h, w)), noise("img", (b, 3, 16 * h, 16 * w)), mask.astype(np.float32)
    return [torch.from_numpy(a) for a in arrays]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> M2M:
    built = M2M()
    built.load_state_dict(fixture())
    return built.eval()


@pytest.fixture(scope="module")
def folded(net: M2M) -> FoldedM2M:
    return net.fold()


def run(net: torch.nn.Module, *given: Any) -> Scales:
    with torch.inference_mode():
        scales: Scales = net(*given)
    return scales


def close(ours: Scales, theirs: Scales, within: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) < within


def test_names_shapes_and_counts_are_the_published_ones(net: M2M) -> None:
    state = net.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == published()
    assert len(state) == 184
    assert sum(v.numel() for v in state.values()) == 2_740_110
    assert sum(p.numel() for p in net.parameters()) == 2_736_351
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 2_714_619
    counters = {k for k, v in state.items() if v.dtype == torch.int64}
    assert counters == {k for k in state if k.endswith("num_batches_tracked")}


@pytest.mark.parametrize("form", ["net", "folded"])
def test_the_numbers_of_the_published_decoder(form: str, request: pytest.FixtureRequest) -> None:
    scales = run(request.getfixturevalue(form), *inputs())
    expected = {"os8": (0.83289, 0.15624), "os4": (0.50026, 0.12278), "os1": (0.43012, 0.05347)}
    for name, (mean, std) in expected.items():
        alpha = getattr(scales, name)
        assert alpha.shape == (1, 1, 256, 256)
        assert alpha.dtype == torch.float32
        assert float(alpha.mean()) == pytest.approx(mean, abs=2e-5)
        assert float(alpha.std()) == pytest.approx(std, abs=2e-5)
        assert 0 <= float(alpha.min()) < float(alpha.max()) <= 1
    assert float(scales.os8[0, 0, 7, 9]) == pytest.approx(0.64766, abs=1e-4)


@pytest.mark.parametrize("size", [(16, 16, 1), (5, 11, 2), (1, 3, 1)])
def test_folded_is_the_same_at_any_size(net: M2M, folded: FoldedM2M, size: tuple[int, int, int]) -> None:
    given = inputs(*size)
    kept = [x.clone() for x in given]
    close(run(folded, *given), run(net, *given), 1e-5)
    for x, before in zip(given, kept, strict=True):
        assert torch.equal(x, before)
    assert run(folded, *given).os1.shape == (size[2], 1, 16 * size[0], 16 * size[1])


def test_every_picture_of_a_batch_for_itself(folded: FoldedM2M) -> None:
    given = inputs(4, 6, 2)
    both = run(folded, *given)
    for i in range(2):
        one = run(folded, *(x[i : i + 1] for x in given))
        close(one, Scales(*(s[i : i + 1] for s in both)), 1e-6)


def test_order_of_memory_does_not_matter(net: M2M, folded: FoldedM2M) -> None:
    given = inputs(6, 4)
    last = [x.contiguous(memory_format=torch.channels_last) for x in given]
    close(run(net, *last), run(net, *given), 1e-5)
    close(run(folded, *last), run(folded, *given), 1e-6)
    assert folded.layer2[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_folded_stands_alone(net: M2M) -> None:
    copy = M2M()
    copy.load_state_dict(net.state_dict())
    copy.train()
    given, fast = inputs(2, 2), copy.fold()
    before = run(fast, *given)
    with torch.no_grad():
        for p in copy.parameters():
            p.zero_()
    assert copy.training
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fast.modules())
    assert not any(p.requires_grad for p in fast.parameters())
    assert not fast(*given).os8.requires_grad
    close(run(fast, *given), before, 1e-9)


def test_image_and_mask_count_at_every_scale(folded: FoldedM2M) -> None:
    feature, image, mask = inputs(4, 4)
    plain = run(folded, feature, image, mask)
    for changed in (run(folded, feature, -image, mask), run(folded, feature, image, 1 - mask)):
        for a, b in zip(plain, changed, strict=True):
            assert float((a - b).abs().max()) > 1e-3


def test_it_can_be_trained(net: M2M) -> None:
    copy = M2M()
    copy.load_state_dict(net.state_dict())
    sum(s.mean() for s in copy.train()(*inputs(2, 2, 2))).backward()
    for name, p in copy.named_parameters():
        assert (p.grad is not None) == (not name.endswith(("weight_u", "weight_v"))), name
        assert p.grad is None or bool(p.grad.isfinite().all())


def test_random_weights_give_mattes() -> None:
    torch.manual_seed(0)
    for alpha in run(M2M().eval(), *inputs(2, 2)):
        assert bool(alpha.isfinite().all())


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 255, 4, 4), (1, 3, 64, 64), (1, 1, 16, 16)),
        ((1, 256, 4, 4), (1, 3, 64, 65), (1, 1, 16, 16)),
        ((1, 256, 4, 4), (1, 3, 64, 64), (1, 1, 64, 64)),
        ((1, 256, 4, 4), (2, 3, 64, 64), (1, 1, 16, 16)),
        ((256, 4, 4), (3, 64, 64), (1, 16, 16)),
        ((1, 256, 0, 4), (1, 3, 0, 64), (1, 1, 0, 16)),
    ],
)
def test_shapes_that_do_not_belong_together(folded: FoldedM2M, shapes: Any) -> None:
    with pytest.raises(UsageError, match="do not belong together") as error:
        folded(*(torch.zeros(s) for s in shapes))
    assert str(shapes[0]) in str(error.value)


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("prefix", ["", "module.", "m2m.", "module.m2m."])
@pytest.mark.parametrize("encoder", ["", "seg_model.", "module.seg_model."])
def test_files_of_every_kind(tmp_path: Path, prefix: str, wrapped: bool, encoder: str) -> None:
    weights = {f"{prefix}{k}": v for k, v in fixture().items()}
    if encoder:
        weights = {f"{encoder}image_encoder.conv1.weight": torch.zeros(3)} | weights
    stored = {"iter": 7, "loss": 0.5, "state_dict": weights, "opt_state_dict": {}} if wrapped else weights
    torch.save(stored, tmp_path / "m.pth")
    net = load_m2m(tmp_path / "m.pth")
    assert not net.training
    state = net.state_dict()
    assert all(torch.equal(state[k], v) for k, v in fixture().items())


def refused(path: Path) -> str:
    with pytest.raises(MissingPartError) as error:
        load_m2m(path)
    said = str(error.value)
    assert "\n" not in said
    assert str(path) in said
    assert "trackmatte weights" in said
    return said


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "mam.pth"
    assert "there is no checkpoint" in refused(path)
    torch.save({"state_dict": fixture()}, path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:50_000], whole[: len(whole) - 100], b"<html>too many downloads</html>" * 100):
        path.write_bytes(damaged)
        assert "damaged, truncated or not a weights file" in refused(path)
    torch.save([1, 2], path)
    assert "no named weights but a list" in refused(path)
    path.unlink()
    path.mkdir()
    assert "damaged, truncated or not a weights file" in refused(path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": fixture(), "loader": Path.cwd}, path)
    assert "not a weights file" in refused(path)


def test_files_of_another_network(tmp_path: Path) -> None:
    path = tmp_path / "mam.pth"
    first, bar = "conv1.module.weight_u", "layer3.0.conv1.module.weight_bar"
    cases: list[tuple[Any, str]] = [
        ({"model": {"a": torch.zeros(3)}}, f"lacks {first} and 183 more"),
        ({}, f"lacks {first} and 183 more"),
        ({"seg_model.a": torch.zeros(3)}, f"lacks {first} and 183 more"),
        ({k: v for k, v in fixture().items() if k != bar}, f"lacks {bar};"),
        (fixture() | {"layer5.weight": torch.zeros(1)}, "has unknown layer5.weight;"),
        (fixture() | {bar: torch.zeros(132, 132, 3, 3)}, f"has another shape of {bar};"),
        (fixture() | {bar: 3}, f"has another shape of {bar};"),
        ({k.replace(".module.", "."): v for k, v in fixture().items()}, f"lacks {first} and 59 more"),
        ({f"net.{k}": v for k, v in fixture().items()}, f"lacks {first} and 183 more"),
    ]
    for stored, says in cases:
        for wrapped in (stored, {"state_dict": stored}):
            torch.save(wrapped, path)
            assert f"does not fit the Matting Anything decoder: it {says}" in refused(path)
