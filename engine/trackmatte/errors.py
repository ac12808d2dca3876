"""Every error Trackmatte raises on purpose.

    TrackmatteError                  exit code
    ├── UsageError (ValueError)          2   an option or argument that cannot be meant
    ├── ClipError (OSError)              3   the clip is missing, unreadable, or changed
    │   └── FrameError                   3   one frame of it cannot be decoded
    ├── PromptError (ValueError)         4   a prompt contradicts itself, lies outside, selects nothing
    ├── ShotError (ValueError)           5   the shot file is damaged, newer, or does not fit its clip
    ├── OutputError (OSError)            6   the result cannot be written (rights, space, existing files)
    ├── MissingPartError (RuntimeError)  7   an optional part (weights, a package) is not installed
    └── DeviceError (RuntimeError)       8   the GPU's memory does not suffice

A message is one sentence: what is wrong, with the file or frame, and the way out.
An interrupted run (Ctrl-C) exits with 130; anything else that escapes is a bug and exits with 1.
"""

from __future__ import annotations


class TrackmatteError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the CLI exits with."""

    exit_code = 1


class UsageError(TrackmatteError, ValueError):
    """An option or argument that cannot be meant."""

    exit_code = 2


class ClipError(TrackmatteError, OSError):
    """The clip is missing, unreadable, or not what the shot was made from."""

    exit_code = 3


class FrameError(ClipError):
    """One frame of a clip cannot be decoded.

    Attributes
    ----------
    index : 0-based position of the frame in the clip.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class PromptError(TrackmatteError, ValueError):
    """A prompt contradicts itself, lies outside the frame, or selects nothing."""

    exit_code = 4


class ShotError(TrackmatteError, ValueError):
    """The shot file is damaged, from a newer version, or does not fit its clip."""

    exit_code = 5


class OutputError(TrackmatteError, OSError):
    """The result cannot be written."""

    exit_code = 6


class MissingPartError(TrackmatteError, RuntimeError):
    """An optional part (model weights, a package, a device) is not there."""

    exit_code = 7


class DeviceError(TrackmatteError, RuntimeError):
    """The device's memory does not suffice, even after freeing what can be freed."""

    exit_code = 8
