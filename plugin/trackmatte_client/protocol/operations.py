"""The routes: one per operation, with what goes in, what comes out and what can go wrong."""

from __future__ import annotations

from dataclasses import dataclass

from . import messages as m
from .compat import Literal

PROTOCOL = 1
"""Changes when an older client would misunderstand; fields and operations may be added without."""
SMALL, LARGE = 1 << 20, 64 << 20
"""Bytes that a request may have: in general, and where it may carry a mask."""
HEARTBEAT = 5.0
"""Seconds after which a silent event stream says that it is alive."""


@dataclass(frozen=True)
class Operation:
    """One thing that a client can ask for."""

    name: str
    method: Literal["GET", "POST"]
    route: str
    request: type | None
    """Message in the body; None = no body."""
    reply: type | str
    """Message in the reply, or its content type."""
    what: str
    query: tuple[str, ...] = ()
    """Parameters after the question mark; one ending in ``?`` may be left out."""
    errors: tuple[str, ...] = ()
    """Codes beyond those that every operation can answer with."""
    limit: int = SMALL
    """Bytes that the body may have."""


_SHOT = "/v1/shots/{shot}"
_JOB = "/v1/jobs/{job}"
_EDIT = ("not_found", "shot", "clip", "output", "stale")
_PROMPT = (*_EDIT, "prompt", "usage", "missing_part", "device")
_READ = ("not_found", "clip", "shot")

_ALL = (
    Operation("hello", "GET", "/hello", None, m.Hello, "Say who is there."),
    Operation("capabilities", "GET", "/v1/capabilities", None, m.Capabilities, "Say what can be done here."),
    Operation("shut_down", "POST", "/v1/shutdown", None, m.Done, "Cancel all jobs and stop the engine."),
    Operation(
        "create_shot", "POST", "/v1/shots/create", m.CreateShot, m.ShotState,
        "Make a shot file for a clip and open it.",
        errors=("usage", "clip", "shot", "output", "missing_part"),
    ),
    Operation(
        "open_shot", "POST", "/v1/shots/open", m.OpenShot, m.ShotState,
        "Open a shot file; one that is open already stays as it is.",
        errors=("usage", "clip", "shot", "prompt"),
    ),
    Operation("list_shots", "GET", "/v1/shots", None, m.ShotList, "List the open shots."),
    Operation("shot_state", "GET", _SHOT, None, m.ShotState, "Say how a shot stands.", errors=_READ),
    Operation(
        "close_shot", "POST", f"{_SHOT}/close", None, m.Done,
        "Close a shot; its file and cache stay.", errors=("not_found", "busy"),
    ),
    Operation(
        "put_prompt", "POST", f"{_SHOT}/prompts/put", m.PutPrompt, m.Prompted,
        "Replace what is said about an object on a frame.", errors=_PROMPT, limit=LARGE,
    ),
    Operation(
        "add_prompt", "POST", f"{_SHOT}/prompts/add", m.AddPrompt, m.Prompted,
        "Add to what is said about an object on a frame, or correct its mask there.",
        errors=_PROMPT, limit=LARGE,
    ),
    Operation(
        "remove_prompt", "POST", f"{_SHOT}/prompts/remove", m.RemovePrompt, m.ShotState,
        "Take back what is said about an object on a frame.", errors=(*_EDIT, "prompt"),
    ),
    Operation(
        "preview", "POST", f"{_SHOT}/preview", m.Preview, m.Selected,
        "Show what a prompt would select.",
        errors=(*_READ, "prompt", "usage", "output", "missing_part", "device", "superseded"), limit=LARGE,
    ),
    Operation(
        "forget_object", "POST", f"{_SHOT}/objects/forget", m.EditObject, m.ShotState,
        "Take back everything said about an object.", errors=(*_EDIT, "prompt"),
    ),
    Operation(
        "lock", "POST", f"{_SHOT}/lock", m.LockFrames, m.ShotState,
        "Freeze an object's frames: no pass changes them.", errors=(*_EDIT, "busy"),
    ),
    Operation(
        "unlock", "POST", f"{_SHOT}/unlock", m.LockFrames, m.ShotState,
        "Let an object's frames be recomputed.", errors=(*_EDIT, "busy"),
    ),
    Operation(
        "layers", "POST", f"{_SHOT}/layers", m.MakeLayers, m.JobState,
        "Start a job that splits a frame into soft layers, unless it has them.",
        errors=("not_found", "usage", "prompt"),
    ),
    Operation(
        "layer_image", "GET", f"{_SHOT}/layers/{{number}}", None, "image/png",
        "A layer, from 1, of a frame that was split, 8-bit grey, of the plate's size at that width.",
        query=("layer", "width?"), errors=(*_READ, "malformed"),
    ),
    Operation(
        "pick_layers", "POST", f"{_SHOT}/layers/pick", m.PickLayers, m.Prompted,
        "Make layers of a frame the mask of an object there.", errors=_PROMPT,
    ),
    Operation(
        "set_methods", "POST", f"{_SHOT}/methods", m.SetMethods, m.ShotState,
        "Set the selector and the refiner.", errors=(*_EDIT, "usage", "missing_part"),
    ),
    Operation("set_range", "POST", f"{_SHOT}/range", m.SetRange, m.ShotState, "Set in and out.", (), _EDIT),
    Operation(
        "undo", "POST", f"{_SHOT}/undo", m.Edit, m.ShotState, "Undo the last edit.",
        errors=(*_EDIT, "busy"),
    ),
    Operation(
        "redo", "POST", f"{_SHOT}/redo", m.Edit, m.ShotState, "Redo what was undone.",
        errors=(*_EDIT, "busy"),
    ),
    Operation(
        "track", "POST", f"{_SHOT}/track", m.TrackFrames, m.JobState,
        "Start a job that tracks.", errors=("not_found",),
    ),
    Operation(
        "matte", "POST", f"{_SHOT}/matte", m.MatteFrames, m.JobState,
        "Start a job that refines masks into mattes.", errors=("not_found",),
    ),
    Operation(
        "export", "POST", f"{_SHOT}/export", m.ExportFrames, m.JobState,
        "Start a job that delivers.", errors=("not_found", "usage"),
    ),
    Operation(
        "export_plan", "POST", f"{_SHOT}/export/plan", m.ExportFrames, m.ExportPlan,
        "Say what an export would write, and write nothing.", errors=(*_READ, "usage", "output"),
    ),
    Operation(
        "places", "GET", f"{_SHOT}/qc", None, m.Places,
        "List the frames that need the artist.", errors=_READ,
    ),
    Operation(
        "next_place", "GET", f"{_SHOT}/qc/next", None, m.NextPlace,
        "Find the first doubtful place after a frame.", query=("frame", "object?"),
        errors=(*_READ, "malformed"),
    ),
    Operation(
        "frame", "GET", f"{_SHOT}/frames/{{number}}", None, "image/jpeg",
        "The plate, sRGB, at most `width` pixels wide.", query=("width?",), errors=(*_READ, "malformed"),
    ),
    Operation(
        "mask", "GET", f"{_SHOT}/masks/{{number}}", None, "image/png",
        "An object's tracked mask, 8-bit grey, of the plate's size at that width.",
        query=("object", "width?"), errors=(*_READ, "malformed"),
    ),
    Operation(
        "matte_image", "GET", f"{_SHOT}/mattes/{{number}}", None, "image/png",
        "An object's matte, 8-bit grey, of the plate's size at that width.",
        query=("object", "width?"), errors=(*_READ, "malformed"),
    ),
    Operation("list_jobs", "GET", "/v1/jobs", None, m.JobList, "List the jobs."),
    Operation("job_state", "GET", _JOB, None, m.JobState, "Say how a job stands.", errors=("not_found",)),
    Operation(
        "cancel_job", "POST", f"{_JOB}/cancel", None, m.JobState,
        "Stop a job after the frame in hand; what is finished stays.", errors=("not_found",),
    ),
    Operation(
        "events", "GET", f"{_JOB}/events", None, "application/x-ndjson",
        "Follow a job: its events after number `after`, until it ends.",
        query=("after?",), errors=("not_found", "malformed"),
    ),
)  # fmt: skip

OPERATIONS = {o.name: o for o in _ALL}

ALWAYS = (
    "unauthorized",
    "forbidden_host",
    "forbidden_origin",
    "malformed",
    "too_large",
    "content_type",
    "internal",
)
"""Codes that any operation may answer with; GET has no body and so no ``too_large`` and ``content_type``."""

STATUS = {
    "unauthorized": 401, "forbidden_host": 403, "forbidden_origin": 403, "not_found": 404, "method": 405,
    "malformed": 400, "content_type": 415, "too_large": 413, "stale": 409, "busy": 409, "superseded": 409,
    "usage": 400, "clip": 422, "prompt": 422, "shot": 422, "output": 422, "missing_part": 501, "device": 503,
    "internal": 500,
}  # fmt: skip
"""HTTP status of each code."""

EXIT = {
    "internal": 1,
    "usage": 2,
    "clip": 3,
    "prompt": 4,
    "shot": 5,
    "output": 6,
    "missing_part": 7,
    "device": 8,
}
"""Exit code of the command line for the codes it shares; 2 for all others."""
