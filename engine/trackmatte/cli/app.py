"""The ``trackmatte`` command: one subcommand for the whole job, and one for each step."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from trackmatte import __version__
from trackmatte.cli import doctor, nuke
from trackmatte.cli import ofx as ofx_commands
from trackmatte.cli import shot as shot_commands
from trackmatte.cli import weights as weights_commands
from trackmatte.cli.colorspaces import colorspaces
from trackmatte.cli.comp import comp
from trackmatte.cli.delivery import Delivered, check_form, run_export
from trackmatte.cli.layers import layers
from trackmatte.cli.options import (
    BoxOption,
    Clip,
    FrameOption,
    Grid,
    Handles,
    InputColorspace,
    MaskOption,
    NoSpaceCheck,
    ObjectOption,
    OnError,
    Overwrite,
    Points,
    RangeOption,
    RefinerOption,
    Scribbles,
    SelectOption,
    Settings,
    ShotFile,
    Steady,
    Talk,
    TrackerOption,
    parse_range,
)
from trackmatte.cli.prompts import parse_prompt
from trackmatte.cli.qc import qc
from trackmatte.cli.report import Report, Terminated, terminating
from trackmatte.cli.select import select
from trackmatte.cli.serve import serve, web
from trackmatte.cli.sheet import sheet
from trackmatte.cli.still import matte_still
from trackmatte.cli.train import train_refiner
from trackmatte.cli.work import (
    new_shot,
    run_track,
    tell_outdated,
    tell_skipped,
)
from trackmatte.errors import OutputError, PromptError, TrackmatteError
from trackmatte.shot import SUFFIX, Shot
from trackmatte.shot.exporting import check_apart, check_writable, clip_stem

HELP = """Track a subject through a clip and pull a soft alpha matte for every frame.

The whole job in one go:

    trackmatte matte plate.mov --box 0.3,0.1,0.7,0.95 --out mattes/

In steps, when the artist wants to look and correct in between:

    trackmatte shot new hero.shot.json plates/hero.####.exr
    trackmatte shot add hero.shot.json --frame 1001 --box 0.3,0.1,0.7,0.95
    trackmatte track hero.shot.json
    trackmatte qc hero.shot.json
    trackmatte refine hero.shot.json
    trackmatte sheet hero.shot.json --out hero.png
    trackmatte shot add hero.shot.json --frame 1033 --point 0.52,0.31,-
    trackmatte track hero.shot.json
    trackmatte refine hero.shot.json
    trackmatte export hero.shot.json --out mattes/

Frames go by the source's own numbers; a movie's first frame is 0. Running a command again
does only what is missing or stale. Ctrl-C finishes the frame in hand; run the same command
again to go on."""

EPILOGUE = """Exit codes: 0 done; 1 a bug; 2 wrong usage; 3 the clip or a frame of it cannot be read;
4 a prompt is contradictory, outside the frame or selects nothing; 5 the shot file is damaged, newer or does
not fit; 6 the output cannot be written; 7 a part is not installed; 8 the
GPU's memory does not suffice; 130 interrupted, 143 terminated: both can be resumed."""

app = App(
    name="trackmatte",
    help=HELP,
    help_epilogue=EPILOGUE,
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
app.command(shot_commands.app)
app.command(weights_commands.app)
app.command(nuke.app)
app.command(ofx_commands.app)
app.command(colorspaces)
app.command(qc)
app.command(comp)
app.command(select)
app.command(layers)
app.command(serve)
app.command(web)


@app.command
def matte(
    clip: Clip,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="Folder for the mattes, the shot file and its cache.")],
    point: Points = [],  # noqa: B006 (cyclopts copies defaults)
    box: BoxOption = None,
    scribble: Scribbles = [],  # noqa: B006
    mask: MaskOption = None,
    frame: FrameOption = None,
    obj: ObjectOption = "subject",
    tracker: TrackerOption = "auto",
    settings: Settings = [],  # noqa: B006
    select: SelectOption = None,
    refiner: RefinerOption = "auto",
    steady: Steady = 0.0,
    frames: RangeOption = None,
    input_colorspace: InputColorspace = None,
    handles: Handles = 0,
    grid: Grid = None,
    on_error: OnError = "stop",
    how: Delivered = Delivered(),  # noqa: B008
    overwrite: Overwrite = False,
    no_space_check: NoSpaceCheck = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Do everything in one go: select, track, refine, and write one file per frame."""
    report = talk.report()
    stem = clip_stem(clip)
    path = out / f"{stem}{SUFFIX}"
    resumable = path.is_file()
    if out.is_dir() and any(out.iterdir()) and not resumable and not overwrite:
        raise OutputError(f"{out} is not empty; choose another folder or add --overwrite")
    with new_shot(
        path,
        clip,
        report,
        tracker=tracker,
        refiner=refiner,
        settings=settings,
        select=select,
        frames=frames,
        input_colorspace=input_colorspace,
        handles=handles,
        grid=grid,
        on_error=on_error,
    ) as shot:
        shot.doc.steady, shot.cache.space_check = steady, not no_space_check
        number = frame if frame is not None else shot.numbers(handles=False)[0]
        prompt = parse_prompt(number, obj, shot.clip.size, point=point, box=box, scribble=scribble, mask=mask)
        if not prompt.selects:
            raise PromptError("nothing says where the subject is; give --box, --point, --scribble or --mask")
        check_apart(shot, out)
        check_writable(out)
        selected = shot.add(prompt, replace=True)
        check_form(shot, out, how)
        report.event("selected", frame=number, object=obj, share=round(float(selected.binary.mean()), 4))
        if resumable and not overwrite:
            check_same(shot)
            report.say(f"going on with {path}")
        shot.save(overwrite=True)
        run_track(shot, report)
        report.follow(shot.matte())
        files = run_export(shot, out, how, overwrite=overwrite, report=report)
    for line in files:
        report.say(line)
    report.say(f"look at them: trackmatte sheet {path} --out {stem}.png")


def check_same(shot: Shot) -> None:
    """Make sure that the shot file in the output folder is from the same command.

    Raises
    ------
    OutputError : it is another's.
    """
    with Shot.open(shot.path) as old:
        if old.doc != shot.doc:
            raise OutputError(
                f"{shot.path} was made with other prompts or settings; choose another --out folder, add "
                "--overwrite, or change that shot in steps with: trackmatte shot add"
            )


app.command(matte_still, name="matte-still")
app.command(train_refiner, name="train-refiner")


@app.command(name="doctor")
def doctor_command(*, talk: Talk = Talk()) -> None:  # noqa: B008
    """Say what is installed and what is not, what each missing piece is for, and how to get it."""
    doctor.run(as_json=talk.json, quiet=talk.quiet)


@app.command
def track(
    shot: ShotFile,
    /,
    *,
    frames: Annotated[
        str | None,
        Parameter(name="--range", metavar="IN-OUT", help="Source frames to work on; in to out unless given."),
    ] = None,
    direction: Annotated[
        Literal["both", "forward", "backward"],
        Parameter(help="Both ways from the prompts, or one: from the first or from the last of them."),
    ] = "both",
    fresh: Annotated[
        bool, Parameter(negative="", help="Recompute up-to-date masks as well, but no locked ones.")
    ] = False,
    select: SelectOption = None,
    no_space_check: NoSpaceCheck = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Compute the masks that are missing or stale, and say which frames changed."""
    span = parse_range(frames) if frames else None
    with Shot.open(shot) as opened:
        opened.cache.space_check = not no_space_check
        if select is not None:
            opened.set_methods(select)
            opened.save()
        run_track(opened, talk.report(), span, direction, fresh=fresh)


@app.command
def refine(
    shot: ShotFile,
    /,
    *,
    no_space_check: NoSpaceCheck = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Refine the masks into mattes where they are missing or stale."""
    report = talk.report()
    with Shot.open(shot) as opened:
        opened.cache.space_check = not no_space_check
        report.follow(opened.matte())
        tell_skipped(opened, report)


@app.command
def export(
    shot: ShotFile,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="Folder for the delivery.")],
    how: Delivered = Delivered(),  # noqa: B008
    overwrite: Overwrite = False,
    no_space_check: NoSpaceCheck = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Write the mattes, or cut-outs, as sequences numbered like the source or as movies."""
    report = talk.report()
    with Shot.open(shot) as opened:
        opened.cache.space_check = not no_space_check
        check_apart(opened, out)
        check_form(opened, out, how)
        check_writable(out)
        tell_outdated(opened, opened.objects, report)
        for line in run_export(opened, out, how, overwrite=overwrite, report=report):
            report.say(line)


app.command(sheet)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see `trackmatte.errors`."""
    words = list(sys.argv[1:] if argv is None else argv)
    report = Report(json_events="--json" in words, quiet="--quiet" in words)
    try:
        with terminating():
            app(words, exit_on_error=False, print_error=not report.json, help_on_error=False)
    except CycloptsError as e:
        if report.json:
            report.error(str(e), 2)
        return 2
    except TrackmatteError as e:
        report.error(str(e), e.exit_code)
        return e.exit_code
    except KeyboardInterrupt as e:
        code = 143 if isinstance(e, Terminated) else 130
        report.error("interrupted; run the same command again to go on", code)
        return code
    except BrokenPipeError:
        return 0
    except Exception as e:
        if isinstance(e, OSError) and e.errno == errno.ENAMETOOLONG:
            report.error(f"{e.filename}: this name is too long for the file system; choose a shorter one", 2)
            return 2
        if report.json:  # the traceback follows on standard error
            report.error(f"a bug in Trackmatte, please report it: {type(e).__name__}: {e}", 1)
        raise
    report.event("done", code=0)
    return 0
