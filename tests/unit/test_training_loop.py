"""The training loop: the same weights after an interruption, SAM 2 untouched, clear refusals."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import cutouts

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")

from tests import micro  # noqa: E402
from trackmatte.errors import DeviceError, MissingPartError, OutputError, UsageError  # noqa: E402
from trackmatte.refiners.hiera_model import file_sha256, load_decoder, read_decoder  # noqa: E402
from trackmatte.training.dataset import Dataset  # noqa: E402
from trackmatte.training.log import Log, read  # noqa: E402
from trackmatte.training.loop import DECODER, LOG, RESUME, Plan, Source, Training  # noqa: E402
from trackmatte.training.validate import Validation  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
PLAN = Plan(steps=7, batch=2, size=64)
Make = Callable[..., Training]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    folder = tmp_path_factory.mktemp("training")
    config = micro.config(folder, 64)
    checkpoint = micro.checkpoint(folder, config_file=config)
    source = Source("micro", file_sha256(checkpoint), str(config), checkpoint)
    data = Dataset(cutouts.write(folder / "set", fg=3, bg=2), 64)
    validation = Validation(data, 2)

    def made(out: Path, plan: Plan = PLAN, **more: Any) -> Training:
        options = {"device": "cpu", "log_every": 2, "save_every": 3, "workers": 2, **more}
        return Training(plan, options.pop("source", source), data, validation, out, **options)

    made.source = source  # type: ignore[attr-defined]
    return made


@pytest.fixture(scope="module")
def whole(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that ran to its end."""
    out = tmp_path_factory.mktemp("whole")
    steps = list(make(out).run())
    assert [p.done for p in steps] == list(range(1, 8))
    return out


def digest(path: Path) -> str:
    state = torch.load(path, weights_only=True)
    whole = hashlib.sha256()
    for name in sorted(state["state_dict"]):
        whole.update(state["state_dict"][name].numpy().tobytes())
    return whole.hexdigest()


def stop_after(training: Training, count: int) -> None:
    """Stop as Ctrl-C does, which saves."""
    steps = training.run()
    for _ in range(count):
        next(steps)
    steps.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("first", [2, 5])
def test_a_stopped_run_goes_on_to_the_same_bytes(make: Make, whole: Path, tmp_path: Path, first: int) -> None:
    stop_after(make(tmp_path), first)
    assert read_decoder(tmp_path / DECODER).step == first
    again = make(tmp_path, resume=True)
    assert [p.done for p in again.run()] == list(range(first + 1, 8))
    assert digest(tmp_path / DECODER) == digest(whole / DECODER)
    assert (tmp_path / LOG).read_bytes() == (whole / LOG).read_bytes()


def test_a_killed_run_goes_on_from_its_last_state(make: Make, whole: Path, tmp_path: Path) -> None:
    training = make(tmp_path)
    steps = training.run()
    for _ in range(5):
        next(steps)
    training.save = lambda: None  # type: ignore[method-assign]
    steps.close()  # type: ignore[attr-defined]
    (tmp_path / f".{DECODER}.1.trackmatte-partial").write_bytes(b"half")
    with (tmp_path / LOG).open("a") as f:
        f.write("6,0.1")
    assert read_decoder(tmp_path / DECODER).step == 3
    again = make(tmp_path, resume=True)
    assert again.step == 3
    list(again.run())
    assert digest(tmp_path / DECODER) == digest(whole / DECODER)
    assert (tmp_path / LOG).read_bytes() == (whole / LOG).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([DECODER, LOG, RESUME])


def test_seeds_differ_and_a_finished_training_has_nothing_to_do(
    make: Make, whole: Path, tmp_path: Path
) -> None:
    before = digest(whole / DECODER)
    assert list(make(whole, resume=True).run()) == []
    assert digest(whole / DECODER) == before
    list(make(tmp_path, replace(PLAN, seed=1)).run())
    assert digest(tmp_path / DECODER) != before


def test_the_log_has_every_part(whole: Path) -> None:
    with (whole / LOG).open() as f:
        rows = list(csv.DictReader(f))
    assert [r["step"] for r in rows] == ["2", "4", "6", "7"]
    for row in rows:
        parts = [float(v) for k, v in row.items() if k.startswith(("l1_", "lap_"))]
        assert len(parts) == 6
        assert sum(parts) == pytest.approx(float(row["loss"]), rel=1e-4)
        assert float(row["mad"]) > 0
        assert row["guide_mad"] == rows[0]["guide_mad"]
    assert float(rows[0]["rate"]) == pytest.approx(PLAN.rate_at(1), rel=1e-5)


def test_sam2_stays_frozen_and_the_decoder_moves(make: Make, tmp_path: Path) -> None:
    training = make(tmp_path)
    frozen = {k: v.clone() for k, v in training.sam2.net.state_dict().items()}
    start = {k: v.clone() for k, v in training.net.state_dict().items()}
    stop_after(training, 1)
    assert all(torch.equal(v, frozen[k]) for k, v in training.sam2.net.state_dict().items())
    moved = {k for k, v in training.net.state_dict().items() if not torch.equal(v, start[k])}
    still = set(start) - moved  # v is the first row from the start on, which the first iteration keeps
    assert all(name.endswith("weight_v") for name in still)
    loaded = load_decoder(tmp_path / DECODER).state_dict()
    assert all(torch.equal(v, loaded[k]) for k, v in training.net.state_dict().items())


def test_bfloat16_trains_near_to_float32(make: Make, tmp_path: Path) -> None:
    losses = {}
    for amp in ("off", "bfloat16"):
        out = tmp_path / amp
        stop_after(make(out, replace(PLAN, amp=amp), log_every=1), 1)
        losses[amp] = float(read(out / LOG)[0]["loss"])
    assert losses["bfloat16"] != losses["off"]
    assert losses["bfloat16"] == pytest.approx(losses["off"], rel=0.05)


def test_what_cannot_go_on_is_refused(make: Make, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds a training already; add --resume"):
        make(whole)
    for change, says in (
        ({"steps": 9}, "steps was 7"),
        ({"batch": 3}, "batch was 2"),
        ({"seed": 4}, "seed was 0"),
        ({"rate": 0.5}, "rate was 0.001"),
    ):
        with pytest.raises(UsageError, match=says):
            make(whole, replace(PLAN, **change), resume=True)
    source: Source = make.source  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="sha256 was"):
        make(whole, resume=True, source=replace(source, sha256="f" * 64))
    (tmp_path / RESUME).write_bytes((whole / RESUME).read_bytes()[:5000])
    with pytest.raises(MissingPartError, match=r"resume\.pt is damaged"):
        make(tmp_path, resume=True)
    torch.save({"state_dict": {}}, tmp_path / RESUME)
    with pytest.raises(MissingPartError, match="no state of a training"):
        make(tmp_path, resume=True)


def test_what_goes_wrong_in_a_step_is_said(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make(tmp_path)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(training, "_learn", full)
        with pytest.raises(DeviceError, match="smaller --batch or --size"):
            list(training.run())
    with torch.no_grad():
        training.net.bn1.weight.fill_(float("nan"))
    with pytest.raises(UsageError, match="step 1 is not a number; train with a lower --rate"):
        list(training.run())
    assert not (tmp_path / DECODER).exists()


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv", 0)
    log.path = tmp_path / "gone" / "log.csv"
    with pytest.raises(OutputError, match=r"cannot write .*log\.csv"):
        log.write(1, {"loss": 1.0})
