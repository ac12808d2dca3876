"""Make the pictures of docs/methods-layers.md: python docs/images/make_layer_pictures.py"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.media import open_clip
from trackmatte.numerics.spectral import spectral_components
from trackmatte.preview import grey
from trackmatte.refiners.trimap import bayes_trimap, solve_trimap
from trackmatte.select.layers import soft_layers

HERE = Path(__file__).resolve().parent
CLIP = HERE.parents[1] / "sample_clips" / "furball"
CELL = 320
"""Width of one picture, px."""

U8 = NDArray[np.uint8]


def cell(image: U8) -> U8:
    """Return a picture at the size of a cell."""
    h, w = image.shape[:2]
    return np.asarray(cv2.resize(image, (CELL, round(CELL * h / w)), interpolation=cv2.INTER_AREA), np.uint8)


def write(name: str, pictures: list[U8], columns: int = 3) -> None:
    """Write cells row by row as a JPEG."""
    cells = [cell(p) for p in pictures]
    cells += [np.full_like(cells[0], 24)] * (-len(cells) % columns)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    bgr = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(HERE / name), bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])


def main() -> None:
    """Make all pictures."""
    inside = cv2.imread(str(CLIP / "mask0.png"), cv2.IMREAD_GRAYSCALE) > 127
    with open_clip(CLIP / "plate.mp4") as clip:
        rgb = clip[0].display()
    layers = soft_layers(rgb)
    write("layers.jpg", [rgb, *(grey(layers[..., i]) for i in range(layers.shape[2]))])
    small = cv2.resize(rgb, (192, round(192 * rgb.shape[0] / rgb.shape[1])), interpolation=cv2.INTER_AREA)
    parts = spectral_components(small, 8)
    write(
        "spectral.jpg",
        [small, *(grey(np.ascontiguousarray(parts[..., i])) for i in range(min(5, parts.shape[2])))],
    )
    byte = inside.astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25))
    trimap = np.where(cv2.erode(byte, kernel), 1, np.where(cv2.dilate(byte, kernel), 0.5, 0)).astype(
        np.float32
    )
    mattes = solve_trimap(rgb, trimap).astype(np.float32), bayes_trimap(rgb, trimap)
    write("trimaps.jpg", [rgb, grey(trimap), *map(grey, mattes)], columns=4)


if __name__ == "__main__":
    main()
