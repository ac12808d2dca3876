"""Where networks run."""

from __future__ import annotations

import os

import torch

from trackmatte.errors import UsageError


def pick_device(name: str) -> torch.device:
    """Return the device; ``auto`` follows ``TRACKMATTE_DEVICE``, else takes CUDA, MPS, or the CPU.

    Raises
    ------
    UsageError : there is no such device here.
    """
    if name == "auto":
        name = os.environ.get("TRACKMATTE_DEVICE", "auto")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as e:
        reason = (str(e).splitlines() or [""])[0].rstrip(".")[:160]
        raise UsageError(f"the device {name!r} cannot be used here ({reason}); try: cpu") from e
    return device
