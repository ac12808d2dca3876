"""The OpenColorIO configuration in use, and pictures taken from one of its spaces to another."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError

BUILTIN = "studio-config-v5.0.0_aces-v2.1_ocio-v2.6"
"""The ACES configuration used without $OCIO; named in full, so that no later library changes pixels."""
SHOWN = "sRGB Encoded Rec.709 (sRGB)"
"""The space of `BUILTIN` that pictures are shown in."""
VARIABLE = "OCIO"

_loaded: dict[str, Any] = {}


def active() -> str:
    """Return the identity of the configuration that names come from: $OCIO's, or `BUILTIN`.

    Raises
    ------
    UsageError : $OCIO names something that cannot be read.
    """
    value = os.environ.get(VARIABLE, "").strip()
    return _load(value) if value else BUILTIN


def config(identity: str) -> Any:
    """Return the ``PyOpenColorIO.Config`` that `active` gave an identity for."""
    if identity not in _loaded:
        import PyOpenColorIO as ocio

        _loaded[identity] = ocio.Config.CreateFromBuiltinConfig(identity)
    return _loaded[identity]


def called(identity: str) -> str:
    """Return how people call a configuration."""
    return f"the built-in configuration {BUILTIN}" if identity == BUILTIN else f"the configuration {identity}"


@cache
def _load(value: str) -> str:
    """Read the configuration that $OCIO names and return its identity: name and content."""
    import PyOpenColorIO as ocio

    try:
        read = ocio.Config.CreateFromFile(value)
        if value.startswith("ocio://"):
            identity = str(read.getName())
        else:
            path = Path(value)
            identity = f"{path.name} ({hashlib.sha256(path.read_bytes()).hexdigest()[:16]})"
    except (ocio.Exception, ocio.ExceptionMissingFile, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UsageError(
            f"${VARIABLE} is {value!r}, which is not a readable OpenColorIO configuration ({reason}): "
            f"correct the variable, or unset it to use {called(BUILTIN)}."
        ) from error
    _loaded[identity] = read
    return identity


def is_linear(identity: str, space: str) -> bool:
    """Return True if a space's values are proportional to light.

    Raises
    ------
    UsageError : the configuration cannot tell, such as for a missing LUT.
    """
    import PyOpenColorIO as ocio

    try:
        return bool(config(identity).isColorSpaceLinear(space, ocio.REFERENCE_SPACE_SCENE))
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        raise _refusal(identity, error) from error


def processor(identity: str, transform: Any, *, inverse: bool = False) -> Any:
    """Return the processor of a transform.

    Raises
    ------
    UsageError : the configuration cannot do it, such as for a missing LUT; the text says why.
    """
    import PyOpenColorIO as ocio

    direction = ocio.TRANSFORM_DIR_INVERSE if inverse else ocio.TRANSFORM_DIR_FORWARD
    try:
        return config(identity).getProcessor(transform, direction)
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        raise _refusal(identity, error) from error


@cache
def shown_from(identity: str, space: str) -> Any:
    """Return the processor from a space of any configuration to `SHOWN`.

    Raises
    ------
    UsageError : the configuration does not say how its spaces relate to those of others.
    """
    import PyOpenColorIO as ocio

    if identity == BUILTIN:
        return processor(identity, ocio.ColorSpaceTransform(space, SHOWN))
    try:
        return ocio.Config.GetProcessorFromConfigs(config(identity), space, config(BUILTIN), SHOWN)
    except (ocio.Exception, ocio.ExceptionMissingFile):
        try:  # without the role aces_interchange OpenColorIO looks for spaces it recognises
            return ocio.Config.GetProcessorToBuiltinColorSpace(config(identity), space, SHOWN)
        except (ocio.Exception, ocio.ExceptionMissingFile) as error:
            raise UsageError(
                f"{space!r} of {called(identity)} cannot be shown in sRGB: "
                f"give the configuration the role aces_interchange, or unset ${VARIABLE}."
            ) from error


def _refusal(identity: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split()).rstrip(".")
    return UsageError(
        f"Colours cannot be converted by {called(identity)} ({reason}): mend it, or unset ${VARIABLE}."
    )


def apply(made: Any, rgb: NDArray[Any], to: type[np.uint8 | np.float32]) -> NDArray[Any]:
    """Run a processor over a picture, from any thread.

    Parameters
    ----------
    made : an OpenColorIO processor.
    rgb : (H, W, 3) uint8, uint16 or floating; integers stand for [0, 1]. Not changed.
    to : sample type of the result; uint8 is clipped and rounded, and computed to a ten-thousandth.

    Returns
    -------
    (H, W, 3) of type ``to``, a new array.
    """
    if rgb.dtype not in (np.uint8, np.uint16):
        rgb = rgb.astype(np.float32, copy=False)
    rgb = np.ascontiguousarray(rgb)
    out = np.empty(rgb.shape, to)
    if rgb.size:
        _cpu(made, rgb.dtype.name, out.dtype.name).apply(_described(rgb), _described(out))
    return out


@cache
def _cpu(made: Any, before: str, after: str) -> Any:
    import PyOpenColorIO as ocio

    depth = {"uint8": ocio.BIT_DEPTH_UINT8, "uint16": ocio.BIT_DEPTH_UINT16, "float32": ocio.BIT_DEPTH_F32}
    flags = ocio.OPTIMIZATION_DEFAULT
    if after == "float32":  # exact powers and logarithms where values are delivered
        flags = ocio.OptimizationFlags(int(flags) & ~int(ocio.OPTIMIZATION_FAST_LOG_EXP_POW))
    return made.getOptimizedCPUProcessor(depth[before], depth[after], flags)


def _described(pixels: NDArray[Any]) -> Any:
    import PyOpenColorIO as ocio

    depth = {1: ocio.BIT_DEPTH_UINT8, 2: ocio.BIT_DEPTH_UINT16, 4: ocio.BIT_DEPTH_F32}[pixels.itemsize]
    (height, width, _), size = pixels.shape, pixels.itemsize
    return ocio.PackedImageDesc(pixels, width, height, 3, depth, size, 3 * size, 3 * size * width)
