"""The sound of a clip, cut to the delivered frames."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.container.output import OutputContainer
from numpy.typing import NDArray

from trackmatte.errors import ClipError, UsageError

GAP = Fraction(1, 20)
"""A jump of the source's time stamps in seconds that counts as a gap and not as rounding."""
PREROLL = 2
"""Seconds before the first sample at which decoding begins, so that decoders have settled."""
APART = 10
"""Seconds that streams of one file may lie apart in it; what comes later is left silent."""
SEEKABLE = ("mov", "matroska", "wav")
"""File formats in which a seek is exact; others are read from their start."""


def check_sound(path: Path) -> None:
    """Make sure that a file has sound.

    Raises
    ------
    UsageError : it has none.
    """
    try:
        with av.open(str(path)) as source:
            if source.streams.audio:
                return
    except (av.error.FFmpegError, OSError):
        pass
    raise UsageError(f"{path} has no sound to take along; leave out --audio")


class Sound:
    """All audio streams of a file from a given time on, sample-exact; in memory are a few packets.

    Sound is decoded and stored as PCM (Opus in WebM) rather than copied: copied packets begin and end up to
    a packet off, need edit lists that some hosts ignore, and AAC in QuickTime does not open everywhere.
    """

    def __init__(self, path: Path, start: Fraction, form: str) -> None:
        """Open ``path``; time 0 becomes ``start`` seconds after its first video frame."""
        self._source: InputContainer = av.open(str(path))
        video = self._source.streams.video
        origin = Fraction(0)
        if video and video[0].start_time is not None and video[0].time_base is not None:
            origin = video[0].start_time * video[0].time_base
        self._zero = origin + start
        self._tracks = {s.index: Track(s, self._zero, form) for s in self._source.streams.audio}
        if self._zero > PREROLL and self._source.format.name.split(",")[0] in SEEKABLE:
            self._source.seek(int((self._zero - PREROLL) * av.time_base))
        self._packets = self._source.demux(list(self._source.streams.audio))
        self._ended = False

    def add_streams(self, out: OutputContainer) -> None:
        """Add a stream for each of the source's."""
        for track in self._tracks.values():
            track.add_stream(out)

    def write(self, out: OutputContainer, time: Fraction) -> None:
        """Write what is heard before ``time`` seconds; silence where the source has nothing."""
        tracks = self._tracks.values()
        limit = time + APART
        while not self._ended and any(t.lacks(time) for t in tracks) and all(t.lacks(limit) for t in tracks):
            self._read()
        for track in self._tracks.values():
            track.write(out, time)

    def _read(self) -> None:
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as e:
            raise ClipError(f"the sound of {self._source.name} cannot be read on; leave out --audio") from e
        if packet is None:
            self._ended = True
            return
        with suppress(av.error.InvalidDataError):
            self._take(packet)

    def _take(self, packet: Any) -> None:
        """Hand a packet's frames to their track; a damaged packet is left silent."""
        for frame in packet.decode():
            self._tracks[packet.stream.index].take(frame)

    def finish(self, out: OutputContainer) -> None:
        """Write what the encoders still hold."""
        for track in self._tracks.values():
            out.mux(track.stream.encode(None))

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Track:
    """One audio stream on its way."""

    def __init__(self, source: AudioStream, zero: Fraction, form: str) -> None:
        context = source.codec_context
        self.language = source.metadata.get("language")
        self.layout = context.layout.name
        self._channels = context.layout.nb_channels
        self._zero = zero
        self._codec, sample, self._rate = coding(source, form)
        self._resampler = av.AudioResampler(format=sample, layout=self.layout, rate=self._rate)
        self._sample = sample
        self._at = 0
        """Number of the next sample to be written."""
        self._known: int | None = None
        """Number of the sample after the last one that the source gave; None before the first."""
        self._waiting: list[tuple[int, NDArray[Any]]] = []
        """The source's samples that are not written yet, each with the number of its first."""

    def add_stream(self, out: OutputContainer) -> None:
        """Add the stream to the delivered movie."""
        stream = out.add_stream(self._codec, rate=self._rate, layout=self.layout)
        assert isinstance(stream, AudioStream)
        stream.codec_context.format = av.AudioFormat(self._sample)
        stream.codec_context.flags |= av.codec.context.Flags.bitexact.value
        if self.language:
            stream.metadata["language"] = self.language
        self.stream = stream

    def lacks(self, time: Fraction) -> bool:
        """Whether samples before ``time`` seconds may still come from the source."""
        return self._known is None or self._known < int(time * self._rate)

    def take(self, frame: av.AudioFrame) -> None:
        """Put what the source gave in its place."""
        place = self._known or 0
        if frame.time_base is not None and frame.pts is not None:
            told = round((frame.pts * frame.time_base - self._zero) * self._rate)
            if self._known is None or abs(told - self._known) > GAP * self._rate:
                place = told
        for part in self._resampler.resample(frame):
            samples = part.to_ndarray().reshape(-1, self._channels)
            if place + len(samples) > self._at:
                self._waiting.append((place, samples))
            place += len(samples)
        self._known = place

    def write(self, out: OutputContainer, time: Fraction) -> None:
        """Encode the samples before ``time`` seconds."""
        at, end = self._at, int(time * self._rate)
        if end <= at:
            return
        kind = {"s16": np.int16, "s32": np.int32, "flt": np.float32}[self._sample]
        block = np.zeros((end - at, self._channels), kind)
        for place, samples in self._waiting:
            first, last = max(place, at), min(place + len(samples), end)
            if first < last:
                block[first - at : last - at] = samples[first - place : last - place]
        self._waiting = [(p, s) for p, s in self._waiting if p + len(s) > end]
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format=self._sample, layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, at, Fraction(1, self._rate)
        out.mux(self.stream.encode(frame))
        self._at = end


def coding(source: AudioStream, form: str) -> tuple[str, str, int]:
    """Return encoder, sample format and rate in which a stream is kept without loss, or as Opus."""
    context = source.codec_context
    if form == "opus":
        return "libopus", "flt", 48000
    if context.name.startswith("pcm_f"):
        return "pcm_f32le", "flt", context.sample_rate
    if context.name.startswith("pcm_s32"):
        return "pcm_s32le", "s32", context.sample_rate
    if context.format.bits <= 16 and context.format.name.startswith(("s", "u")):
        return "pcm_s16le", "s16", context.sample_rate
    return "pcm_s24le", "s32", context.sample_rate
