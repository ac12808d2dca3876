"""``trackmatte train-refiner``: a decoder of your own for the hiera refiner."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from trackmatte import weights
from trackmatte.cli.options import Talk
from trackmatte.cli.report import Report
from trackmatte.cli.work import check_writable
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.trackers import sam2

if TYPE_CHECKING:
    from trackmatte.training.dataset import Dataset


def train_refiner(
    dataset: Annotated[
        Path,
        Parameter(
            help="Folder with fg (cut-outs with alpha), bg (backgrounds), and maybe val with the same."
        ),
    ],
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="Folder for the decoder, the log and the state.")],
    model: Annotated[
        str | None, Parameter(name="--model", help="SAM 2's weights; the best installed unless given.")
    ] = None,
    checkpoint: Annotated[
        Path | None, Parameter(name="--checkpoint", help="Instead of --model: SAM 2's .pt file.")
    ] = None,
    config: Annotated[
        str | None, Parameter(name="--config", metavar="FILE", help="The configuration of --checkpoint.")
    ] = None,
    steps: Annotated[int, Parameter(name="--steps", help="Steps in all.")] = 20000,
    batch: Annotated[int, Parameter(name="--batch", help="Pictures a step.")] = 8,
    size: Annotated[
        int, Parameter(name="--size", help="Side of the pictures and of SAM 2's input, a multiple of 32.")
    ] = 1024,
    rate: Annotated[float, Parameter(name="--rate", help="Highest learning rate.")] = 1e-3,
    seed: Annotated[int, Parameter(name="--seed", help="Of everything that is drawn at random.")] = 0,
    amp: Annotated[
        Literal["auto", "off", "bfloat16", "float16"],
        Parameter(name="--amp", help="Half precision; auto: on CUDA."),
    ] = "auto",
    resume: Annotated[
        bool, Parameter(name="--resume", negative="", help="Go on with the training in the folder.")
    ] = False,
    log_every: Annotated[
        int, Parameter(name="--log-every", help="Steps between lines of the log; each validates.")
    ] = 100,
    save_every: Annotated[int, Parameter(name="--save-every", help="Steps between saved states.")] = 500,
    val_count: Annotated[int, Parameter(name="--val-count", help="Composites to validate on.")] = 16,
    workers: Annotated[int, Parameter(name="--workers", help="Threads that make pictures.")] = 4,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Train the decoder of the hiera refiner on a frozen SAM 2, from cut-outs on backgrounds.

    Ctrl-C saves; the same command with --resume goes on to the same weights as without a pause.
    """
    report = talk.report()
    for package in ("torch", "sam2"):
        if find_spec(package) is None:
            raise MissingPartError(
                f"training needs the package {package}; install it with: pip install 'trackmatte[sam]'"
            )
    if min(log_every, save_every, val_count, workers) < 1:
        raise UsageError("--log-every, --save-every, --val-count and --workers must be at least 1")
    chosen: dict[str, Any] = {"model": model, "checkpoint": checkpoint, "config": config, "sha256": None}
    configuration, file = sam2.locate(chosen)
    from trackmatte.training.dataset import Dataset
    from trackmatte.training.loop import DECODER, Plan, Source, Training
    from trackmatte.training.validate import Validation

    plan = Plan(steps, batch, size, rate, seed, amp)
    plan.check()
    check_writable(out)
    name = file.name if checkpoint else weights.get(chosen["model"]).name
    source = Source(name, sam2.sha256_of(chosen, file), configuration, file)
    pictures = Dataset(dataset, size)
    pictures.check()
    validation = Validation(_validation(dataset, pictures, report), val_count)
    training = Training(
        plan,
        source,
        pictures,
        validation,
        out,
        resume=resume,
        log_every=log_every,
        save_every=save_every,
        workers=workers,
    )
    counts = f"{len(pictures.fg)} foregrounds, {len(pictures.bg)} backgrounds"
    report.say(f"training on {training.device} with {name}: {counts}, from step {training.step}")
    report.follow(training.run())
    decoder = out / DECODER
    report.event("trained", file=str(decoder), step=training.step)
    report.say(f"wrote {decoder}; use it with --refiner hiera --set refiner.decoder={decoder}")


def _validation(folder: Path, pictures: Dataset, report: Report) -> Dataset:
    """Return the pictures to validate on, and say when they are those of the training."""
    if not (folder / "val").is_dir():
        report.note(
            f"there is no {folder / 'val'}: the error in the log is that on the training's own pictures"
        )
        return pictures
    from trackmatte.training.dataset import Dataset

    found = Dataset(folder / "val", pictures.size, backgrounds=pictures.bg)
    found.check()
    return found
