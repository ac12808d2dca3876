"""Damaged files of every kind: no crash, no hang, no other error than that the clip cannot be read."""

from __future__ import annotations

import ast
import queue
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.counters import counter_image
from tests.media_maker import VP9, X264, X265, encode_counter, write_image

SIZE = (112, 32)
PATIENCE = 30.0
"""Seconds after which a reader hangs; reading one of these clips takes a small part of one."""
MOVIES = {
    "h264.mp4": {"options": X264},
    "hevc10.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": X265},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuva444p10le"},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "yuv420p10le"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": VP9},
    "h264.ts": {"options": X264},
    "mpeg2.mxf": {"codec": "mpeg2video", "pix_fmt": "yuv422p", "rate": 25},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": 25, "options": {"bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "raw.h264": {"options": X264},
}
IMAGES = {
    "zip.exr": {"compression": "zip"},
    "piz.exr": {"compression": "piz"},
    "dwaa.exr": {"compression": "dwaa"},
    "b44.exr": {"compression": "b44"},
    "a.png": {},
    "deep.png": {"oiio:BitsPerSample": 16},
    "a.dpx": {"oiio:BitsPerSample": 10},
    "a.tif": {"compression": "lzw"},
    "a.jpg": {},
}
MOVIE_CASES, IMAGE_CASES = 14, 24
Damage = Callable[[bytearray, np.random.Generator], bytearray]


def flip_bits(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, len(data), int(rng.integers(1, 64))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def truncate(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(1, len(data)))]


def zero(data: bytearray, rng: np.random.Generator) -> bytearray:
    a, b = sorted(rng.integers(0, len(data), 2))
    data[a:b] = bytes(b - a)
    return data


def spoil_header(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(4, min(400, len(data)), int(rng.integers(1, 12))):
        data[at] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
    return data


def swap_blocks(data: bytearray, rng: np.random.Generator) -> bytearray:
    n = max(1, min(512, len(data) // 4))
    a, b = int(rng.integers(0, len(data) - 2 * n + 1)), int(rng.integers(0, len(data) - 2 * n + 1))
    data[a : a + n], data[b : b + n] = data[b : b + n], data[a : a + n]
    return data


def repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    a, b = sorted(rng.integers(0, len(data), 2))
    return data[:b] + data[a:]


DELIVERED = [f"delivered {code}" for code in (0, 3, 4)]
"""Done; the clip cannot be read; where the prompt is, nothing is left to select."""
DAMAGES: tuple[Damage, ...] = (flip_bits, truncate, zero, spoil_header, swap_blocks, repeat)


class Reader:
    """A process that reads clips, replaced when it dies or hangs."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.reading"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.answers: queue.Queue[str] = queue.Queue()
        Thread(target=self.listen, args=(self.process, self.answers), daemon=True).start()

    @staticmethod
    def listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answers.put(ast.literal_eval(line))
        answers.put(f"CRASH {process.wait()}")

    def read(self, path: Path, out: Path | None = None) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{path}\n" if out is None else f"{path}\t{out}\n")
        self.process.stdin.flush()
        try:
            answer = self.answers.get(timeout=PATIENCE if out is None else 10 * PATIENCE)
        except queue.Empty:
            answer = "HANG"
        if answer.startswith(("HANG", "CRASH")):
            self.close()
            self.start()
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def sound_clip(folder: Path, name: str) -> Path:
    sound = folder / name
    if name in MOVIES:
        return encode_counter(sound, 8, size=SIZE, **MOVIES[name])
    image = counter_image(5, SIZE)
    pixels = (image / 255).astype(np.float16) if sound.suffix == ".exr" else image
    return write_image(sound, pixels, attributes=IMAGES[name])


def damaged(folder: Path, sound: Path, seed: int) -> Path:
    rng = np.random.default_rng([seed, *sound.name.encode()])
    damage = DAMAGES[seed % len(DAMAGES)]
    path = folder / f"{damage.__name__}{seed}{sound.suffix}"
    path.write_bytes(damage(bytearray(sound.read_bytes()), rng))
    return path


@pytest.mark.parametrize("name", [*MOVIES, *IMAGES])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    sound = sound_clip(tmp_path, name)
    reader, wrong = Reader(), {}
    try:
        assert reader.read(sound).startswith("read ")
        for seed in range(MOVIE_CASES if name in MOVIES else IMAGE_CASES):
            path = damaged(tmp_path, sound, seed)
            answer = reader.read(path)
            if not answer.startswith(("read ", "refused: ")):
                wrong[path.name] = answer
        assert not wrong
    finally:
        reader.close()


def test_the_whole_command_on_damaged_files_leaves_nothing_half_written(tmp_path: Path) -> None:
    reader, wrong = Reader(), {}
    try:
        for i, name in enumerate([*MOVIES, *IMAGES]):
            sound = sound_clip(tmp_path, name)
            for seed in (i, i + 2):
                path, out = damaged(tmp_path, sound, seed), tmp_path / f"{name} {seed}"
                answer = reader.read(path, out)
                if answer not in DELIVERED:
                    wrong[out.name] = answer
        assert not wrong
        assert list(tmp_path.glob("*/*.exr"))
        assert list(tmp_path.glob("*/*.mkv"))
    finally:
        reader.close()
