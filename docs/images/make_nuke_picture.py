"""Make docs/images/nuke-blur.jpg: python -m docs.images.make_nuke_picture (from the checkout's root)

A shot of the bundled clip through the adapter in the fake Nuke and the real engine; the script that comes of
it is then evaluated by the tests' evaluator. No Nuke has a part in it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from scipy import ndimage

from tests.hosts.nuke import engines, evaluator, fake_nuke, nk
from tests.hosts.nuke.conftest import HOST, load, starting
from trackmatte_client import engine, find_or_start

ROOT = Path(__file__).resolve().parents[2]
FRAMES, SHOWN = 6, 1004


def display(linear: np.ndarray) -> np.ndarray:
    """Return linear light as sRGB, 8-bit BGR."""
    clipped = np.clip(linear, 0, 1)
    code = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.rint(code[..., ::-1] * 255).astype(np.uint8)


def main() -> None:
    """Write the picture: plate, blurred as it is, Blur, ZDefocus2."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "engine").mkdir()
        with av.open(str(ROOT / "sample_clips" / "furball" / "plate.mp4")) as movie:
            for i, frame in zip(range(FRAMES), movie.decode(video=0), strict=False):
                cv2.imwrite(str(place / f"plate.{1001 + i}.png"), frame.to_ndarray(format="bgr24"))
        folder = load(HOST / "build.py").stage(place / "trackmatte")
        with engines.installed(place / "engine"), starting(folder) as running:
            client = find_or_start()
            node = running.node(running.read(f"{scratch}/plate.%04d.png", 1001, 1000 + FRAMES))
            at, model = running.of(node), running.module("model")
            at.set_box(model.Box("", "subject", 1001, 0.18, 0.16, 0.63, 0.77))
            node["preset"].setValue("cutout")
            node["matte"].execute()
            session = running.module("session").of(at)
            fake_nuke.pump(lambda: not session.busy, 300)
            for lens, size in (("Blur", 40), ("ZDefocus2", 16)):
                node["lens"].setValue(lens)
                node["blur_size"].setValue(size)
                node["blur"].execute()
            graph = nk.parse(fake_nuke.script.write(running.nuke.root()))
            plate = evaluator.evaluate(graph, "Read1", SHOWN).rgb()
            alpha = evaluator.evaluate(graph, "Trackmatte_cutout_subject", SHOWN)["rgba.alpha"][..., None]
            halo = plate * alpha + ndimage.gaussian_filter(plate, (17, 17, 0)) * (1 - alpha)
            ours = [
                evaluator.evaluate(graph, n, SHOWN).rgb() for n in ("Trackmatte_blur", "Trackmatte_blur1")
            ]
            engine.stop(client)
    sheet = np.vstack([np.hstack([plate, halo]), np.hstack(ours)])
    cv2.imwrite(
        str(ROOT / "docs" / "images" / "nuke-blur.jpg"), display(sheet), [cv2.IMWRITE_JPEG_QUALITY, 85]
    )


if __name__ == "__main__":
    main()
