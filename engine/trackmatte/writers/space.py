"""The folder a long pass writes into: still the same, and with room for what is to come."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

from trackmatte.errors import OutputError
from trackmatte.files import write_error

BLOCK = 4096
"""Bytes that the smallest file takes on the usual file systems."""
FIRST = 4
"""Files after which the rest is estimated for the first time; then whenever their number has doubled."""


class Room:
    """Watches the folder while its files are written, one after the other, on one thread.

    Parameters
    ----------
    folder : made when it is missing; from then on it must stay.
    files : how many are to be written.
    whole : whether they are of use only together, as the frames of a movie.
    estimate : stop early when the disk will not hold the rest, not only when it is full.

    Raises
    ------
    OutputError : the folder cannot be made, or there is no room at all.
    """

    def __init__(self, folder: Path, files: int, *, whole: bool = False, estimate: bool = True) -> None:
        self.folder, self.files, self.whole, self.estimate = folder, files, whole, estimate
        self.done = 0
        self._grown = 0
        self._known = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._device = folder.stat().st_dev
        except OSError as e:
            raise write_error(folder, e) from e
        self._check(BLOCK * (1 if whole else files))

    def guard(self, job: Callable[[], int | None]) -> Callable[[], None]:
        """Return the job with its folder checked before and its file counted after it.

        Parameters
        ----------
        job : writes one file, and returns the bytes that the disk holds more, None when not known.

        Raises
        ------
        OutputError : by the returned job: the folder is gone, the disk will not hold the rest, or the job
            failed; the sentence says what is saved.
        """

        def guarded() -> None:
            self.check_there()
            try:
                grown = job()
            except OutputError as e:
                self.check_there()
                raise OutputError(f"{e} ({self._saved()})") from e
            self.done += 1
            if grown is not None:
                self._known += 1
                self._grown += grown
                if self._known >= FIRST and self._known & (self._known - 1) == 0:
                    self._check(self._grown / self._known * (self.files - self.done))

        return guarded

    def check_there(self) -> None:
        """Make sure that the folder is the one it was.

        Raises
        ------
        OutputError : it was deleted or replaced, or its disk or network place is gone.
        """
        try:
            there = self.folder.is_dir() and self.folder.stat().st_dev == self._device
        except OSError:
            there = False
        if not there:
            raise OutputError(
                f"{self.folder} is gone: it was deleted or replaced, or its disk or network place is "
                f"not there any more; {self._saved(past=True)}; bring it back and run the same command again"
            )

    def _check(self, need: float) -> None:
        left = self.files - self.done
        if not self.estimate or left <= 0:
            return
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError:
            return
        if need > free:
            raise OutputError(
                f"{self.folder} has {_bytes(free)} of free space, but what is still to be written needs at "
                f"least {_bytes(need)}; {self._saved()}; free some space and run the same command again, or "
                "add --no-space-check to go on until the disk is full"
            )

    def _saved(self, *, past: bool = False) -> str:
        if self.whole:
            return "this movie begins anew then: of a movie nothing is kept before its end"
        return f"{self.done} of {self.files} files {'were' if past else 'are'} saved in {self.folder}"


def _bytes(count: float) -> str:
    power = min(4, int(math.log(max(count, 1), 1000)))
    return f"{count / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
