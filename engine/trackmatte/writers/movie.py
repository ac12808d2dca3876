"""What writers of movies with alpha share."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import av
import av.error
from av.codec.context import Flags as CodecFlags
from av.container.output import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from trackmatte import __version__
from trackmatte.errors import OutputError, UsageError
from trackmatte.files import atomic, write_error
from trackmatte.picture import Picture
from trackmatte.timecode import Timecode
from trackmatte.writers import Delivery
from trackmatte.writers.movie_audio import Sound, check_sound
from trackmatte.writers.movie_pixels import Planes, code_values, movie_frame
from trackmatte.writers.movie_seal import seal, sealed

REC709, UNSPECIFIED = 1, 2
"""Primaries and transfer as ITU-T H.273 numbers them."""
VERSION = 1
"""Changes whenever the same pictures give other movies."""
DROPPING = (Fraction(30000, 1001), Fraction(60000, 1001), Fraction(120000, 1001))
"""Rates that SMPTE ST 12-1 drop-frame timecode is made for."""


class MovieWriter(ABC):
    """One movie per delivery, whole or not there; frame i is shown at i / rate.

    The same pictures give the same bytes, as long as FFmpeg stays the same.
    """

    sequence: ClassVar[bool] = False
    suffix: ClassVar[str]
    """File name extension with its dot."""
    container: ClassVar[str]
    """FFmpeg's name of the file format."""
    codec: ClassVar[str]
    """FFmpeg's name of the encoder."""
    options: ClassVar[dict[str, str]]
    """Of the encoder."""
    pixel_format: ClassVar[str]
    dtype: ClassVar[type[Any]]
    """Of the samples in a plane."""
    matrix: ClassVar[int] = REC709
    """H.273 number of the colour matrix."""
    wide: ClassVar[bool] = False
    """Whether samples use the full range of code values."""
    tells_aspect: ClassVar[bool] = False
    """Whether the file can say that pixels are not square."""
    sound: ClassVar[str] = "pcm"
    """How sound is stored: ``pcm``, sample by sample, or ``opus``."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.path = delivery.folder / f"{delivery.stem}{self._label}{self.suffix}"
        if delivery.holds == "layers":
            raise UsageError("a movie holds no layers; choose another preset than multi, or --format exr")
        if delivery.rate <= 0:
            raise UsageError(f"a movie at {delivery.rate} frames per second cannot be; give a rate above 0")
        if delivery.pixel_aspect != 1 and not self.tells_aspect:
            raise UsageError(
                f"{self.suffix} movies have square pixels and the plate's are {delivery.pixel_aspect} wide; "
                "choose --format prores or exr"
            )
        if delivery.audio is not None:
            check_sound(delivery.audio)
        self._open_files = ExitStack()
        self._movie: OutputContainer | None = None
        self._count = self._size = 0
        self._origin = ""
        self._whole: bool | None = None

    @property
    def _label(self) -> str:
        """Say in the name what becomes of colours, since most readers look nowhere else."""
        if self.delivery.holds != "colour":
            return ""
        return "_premultiplied" if self.delivery.premultiplied else "_straight"

    @property
    def target(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def form(self) -> str:
        """What of the format decides the bytes."""
        options = " ".join(f"{k}={v}" for k, v in self.options.items())
        return (
            f"{self.container} {self.codec} {self.pixel_format} {options}{self._label} {self.delivery.rate}"
        )

    def plan(self, origins: Mapping[int, str]) -> None:
        """Make one hash of all that decides pictures and sound; the file will carry it."""
        have = self.delivery
        sound = None if have.audio is None else str(have.start)
        made = json.dumps([VERSION, self.form, str(have.pixel_aspect), sound, list(origins.items())])
        self._origin = hashlib.sha256(made.encode()).hexdigest()[:32]
        self._whole = None

    def finished(self, number: int, origin: str) -> bool:  # noqa: ARG002
        """Whether the movie was made by what `plan` said, and not a byte of it has changed since."""
        if self._whole is None:
            self._whole = self._is_own() and sealed(self.path, self.container)
        return self._whole

    def conflicts(self, origins: Mapping[int, str]) -> list[Path]:  # noqa: ARG002
        """Return the movie, if others made it and it is not to be replaced."""
        kept = self.delivery.overwrite or not os.path.lexists(self.path) or self._is_own()
        return [] if kept else [self.path]

    def _is_own(self) -> bool:
        """Whether the file says that what was planned made it."""
        if not self._origin or not self.path.is_file():
            return False
        try:
            with av.open(str(self.path)) as movie:
                said = {k.lower(): v for k, v in movie.metadata.items()}.get("comment", "")
        except (OSError, ValueError):
            return False
        return f"; origin: {self._origin}; " in said

    def write(self, picture: Picture) -> int:
        """Write the next picture and return the bytes the file grew by; the first one opens it."""
        rgb, alpha = code_values(picture, premultiplied=bool(self.delivery.premultiplied))
        if (picture.encoding == "data") == (self.delivery.holds in ("colour", "opaque")):
            raise ValueError(f"a delivery that holds {self.delivery.holds} got {picture.encoding} pictures")
        with self._reported():
            if self._movie is None:
                self._begin(picture)
            if picture.number != self._first.number + self._count or picture.size != self._first.size:
                raise ValueError(
                    f"frame {picture.number} does not follow: a movie has every frame, of one size"
                )
            frame = movie_frame(self._planes(rgb, alpha), self.pixel_format, self.dtype)
            self._tag(frame, picture)
            frame.pts, frame.time_base, frame.duration = self._count, 1 / self.delivery.rate, 1
            self._out.mux(self._stream.encode(frame))
            self._count += 1
            if self._sound is not None:
                self._sound.write(self._out, self._count / self.delivery.rate)
            return self._growth(Path(self._out.name))

    def _growth(self, temporary: Path) -> int:
        """Return the bytes that the file grew by; encoders that look ahead make it only later."""
        before = self._size
        self._size = temporary.stat().st_size if temporary.exists() else 0
        return self._size - before

    @abstractmethod
    def _planes(self, rgb: Any, alpha: Any) -> Planes:
        """Return the planes of (H, W, 3) colours and (H, W) alpha, both in [0, 1]."""

    def _begin(self, picture: Picture) -> None:
        """Open the temporary file and its streams."""
        if self.conflicts({}):
            raise OutputError(f"{self.path} exists; choose another folder or add --overwrite")
        check_timecode(picture.timecode, self.delivery.rate)
        self._first = picture
        temporary = self._open_files.enter_context(atomic(self.path))
        self._movie = self._out = av.open(
            str(temporary), "w", format=self.container, options={"fflags": "+bitexact"}
        )
        self._open_files.push(self._end)
        self._out.metadata.update(self._about(picture))
        self._stream = self._add_stream(picture)
        audio = self.delivery.audio
        self._sound = Sound(audio, self.delivery.start, self.sound) if audio is not None else None
        if self._sound is not None:
            self._open_files.callback(self._sound.close)
            self._sound.add_streams(self._out)

    def _add_stream(self, picture: Picture) -> VideoStream:
        stream = self._out.add_stream(self.codec, rate=self.delivery.rate, options=self.options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = picture.size
        stream.pix_fmt = self.pixel_format
        context = stream.codec_context
        context.thread_count = 2
        context.sample_aspect_ratio = self.delivery.pixel_aspect
        context.flags |= CodecFlags.bitexact.value
        self._tag(context, picture)
        return stream

    def _tag(self, thing: av.VideoFrame | VideoCodecContext, picture: Picture) -> None:
        """Say what the code values mean; both the file and the ProRes frames in it do."""
        known = picture.encoding != "code" or picture.colour.coded_for_display
        thing.color_primaries = thing.color_trc = REC709 if known else UNSPECIFIED
        thing.colorspace, thing.color_range = self.matrix, 2 if self.wide else 1

    def _about(self, picture: Picture) -> dict[str, str]:
        """Return the file's metadata."""
        facts = {
            **({"origin": self._origin} if self._origin else {}),
            "alpha": alpha_form(picture, self.delivery),
            "colour": _meaning(picture),
            "first frame": str(picture.number),
            **self.delivery.facts,
        }
        about = {
            "comment": "; ".join([f"Trackmatte {__version__}", *(f"{k}: {v}" for k, v in facts.items())])
        }
        return about if picture.timecode is None else {**about, "timecode": str(picture.timecode)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or drop it after an error."""
        with self._reported():
            self._open_files.__exit__(kind, error, trace)

    def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(av.error.FFmpegError):
                self._out.close()
            return
        self._out.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.finish(self._out)
        self._out.close()
        self._state_alpha(Path(self._out.name), alpha_form(self._first, self.delivery))
        seal(Path(self._out.name), self.container)

    def _state_alpha(self, path: Path, form: str) -> None:  # noqa: B027
        """Say in the finished file how colours and alpha belong together, where the format can."""

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as e:
            if isinstance(e, OSError):
                raise write_error(self.path, e) from e
            width, height = self._first.size
            raise OutputError(
                f"cannot write {self.path}: {self.codec} fails on {width} x {height} pictures at "
                f"{self.delivery.rate} frames per second ({e.strerror}); choose another --format"
            ) from e


def alpha_form(picture: Picture, delivery: Delivery) -> str:
    """Return ``straight`` or ``premultiplied``.

    A matte in R, G, B and A is white multiplied by itself; alpha alone comes with plain white.
    """
    if picture.encoding == "data":
        return "straight" if picture.channels == ("A",) else "premultiplied"
    return "premultiplied" if delivery.premultiplied else "straight"


def _meaning(picture: Picture) -> str:
    """Return what a movie's colours are: the plate's own code where that can be shown, else sRGB."""
    if picture.encoding == "linear":
        return picture.colour.name if picture.colour.coded_for_display else "sRGB"
    return picture.space


def check_timecode(timecode: Timecode | None, rate: Fraction) -> None:
    """Make sure that drop-frame timecode belongs to a rate that has it.

    Raises
    ------
    OutputError : it does not.
    """
    if timecode is not None and timecode.drop and rate not in DROPPING:
        raise OutputError(
            f"no movie at {float(rate):.6g} frames per second can hold the drop-frame timecode {timecode}; "
            "deliver an EXR sequence"
        )
