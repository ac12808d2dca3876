"""Files of PyTorch weights: read without running any code in them, and compared with a network before use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trackmatte.errors import MissingPartError


def read_checkpoint(
    path: Path, *, way_out: str = "fetch it again: trackmatte weights fetch"
) -> dict[str, Any]:
    """Return what a checkpoint holds, on the CPU; nothing but tensors and plain containers is accepted.

    Parameters
    ----------
    path : file.
    way_out : what to do about a damaged file, the end of the message.

    Raises
    ------
    MissingPartError : the file is missing, damaged, or not a checkpoint.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as e:
        raise MissingPartError(f"there is no checkpoint {path}; see: trackmatte weights list") from e
    except Exception as e:  # torch raises a dozen kinds for a damaged or unsafe file
        # Torch's advice to read the file with ``weights_only=False`` would run any code in it.
        why = "it holds something else" if "weights_only" in str(e) else first_line(e)
        raise MissingPartError(
            f"the checkpoint {path} is damaged, truncated or not a weights file ({why}); {way_out}"
        ) from e
    if not isinstance(stored, dict):
        raise MissingPartError(
            f"the checkpoint {path} holds no named weights but a {type(stored).__name__}; "
            "see: trackmatte weights list"
        )
    return {str(k): v for k, v in stored.items()}


def check_fit(
    weights: Mapping[str, Any],
    wanted: Mapping[str, torch.Tensor],
    path: Path,
    what: str,
    *,
    way_out: str = "take the matching file, see: trackmatte weights list",
) -> None:
    """Make sure that weights have the very names and shapes of a network's, and are numbers.

    Parameters
    ----------
    weights : name -> tensor, as read.
    wanted : name -> tensor, the network's own state.
    path : where the weights come from, for the message.
    what : what they should fit, for the message.
    way_out : what to do about a mismatch, the end of the message.

    Raises
    ------
    MissingPartError : they do not fit; the first mismatch is named.
    """
    for trouble, names in (
        ("lacks", [k for k in wanted if k not in weights]),
        ("has unknown", [k for k in weights if k not in wanted]),
        ("has another shape of", [k for k, t in wanted.items() if _shape(weights.get(k)) != t.shape]),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise MissingPartError(
                f"the checkpoint {path} does not fit {what}: it {trouble} {names[0]}{more}; {way_out}"
            )
    for name in wanted:
        if not torch.isfinite(weights[name]).all():
            raise MissingPartError(
                f"the checkpoint {path} of {what} has values that are not numbers in {name}; {way_out}"
            )


def first_line(e: BaseException) -> str:
    """Return the first line of an error's text, for a message of one sentence."""
    return (str(e).strip().splitlines() or [type(e).__name__])[0].rstrip(".")[:160]


def _shape(value: object) -> torch.Size | None:
    return value.shape if isinstance(value, torch.Tensor) else None
