"""Every view of the shader against the same view in numpy, pixel by pixel.

Tolerance: 2.5 code values. The plate comes as JPEG, whose decoders may differ by one; the mask comes exactly;
the graphics card's pow() and its rounding to 8 bits take the rest.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engines import new_shot
from tests.hosts.web.looking import Look
from trackmatte_client import Client, Job
from trackmatte_client.protocol import messages as m

Array = NDArray[np.float64]
W, H = 64, 48
NEAR = 2.5
AMBER = np.array([230, 159, 0]) / 255
LENS = 0.02 * W
"""Radius that the blur preview begins with, pixels."""


def plate(k: int) -> NDArray[np.uint8]:
    """A smooth plate, (H, W, 3), with other colours on each frame."""
    y, x = np.mgrid[:H, :W] / np.array([H, W])[:, None, None]
    return np.rint(np.dstack([40 + 180 * x, 60 + 150 * y, 200 - 30 * k - 120 * x * y])).astype(np.uint8)


def mask(k: int) -> NDArray[np.uint8]:
    """A soft disc that moves by four pixels a frame, (H, W)."""
    y, x = np.mgrid[:H, :W] + 0.5
    return np.rint(np.clip((14 - np.hypot(x - 26 - 4 * k, y - 24)) / 6 + 0.5, 0, 1) * 255).astype(np.uint8)


@pytest.fixture
def look(tab: Callable[..., Look], client: Client, tmp_path: Path) -> Look:
    """A tracked shot of three frames whose masks are known."""
    for k in range(3):
        assert cv2.imwrite(str(tmp_path / f"plate.{1001 + k}.png"), plate(k)[..., ::-1])
    shot = new_shot(client, tmp_path, tmp_path / "plate.####.png")
    for k in range(3):
        png = base64.b64encode(cv2.imencode(".png", mask(k))[1].tobytes()).decode()
        shot = client.put_prompt(shot.shot, shot.revision, m.Prompt(1001 + k, mask=png)).shot
    Job(client, client.track(shot.shot).job).wait(30)
    look = tab(client, shot).ready().press("Home", "ArrowRight").on(1002).kind("mask")
    look.plate, look.alpha = picture(client.frame(shot.shot, 1002, W)), mask_of(client, shot, 1002)  # type: ignore[attr-defined]
    return look


def picture(data: bytes) -> Array:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(bgr[..., ::-1] if bgr.ndim == 3 else bgr, np.float64) / 255


def mask_of(client: Client, shot: m.ShotState, number: int) -> Array:
    return picture(client.mask(shot.shot, number, "subject", W))


def light(c: Array) -> Array:
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def code(v: Array) -> Array:
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 0) ** (1 / 2.4) - 0.055)


def over(front: Array, back: Array, a: Array) -> Array:
    return code(light(front) * a + back * (1 - a))


def blurred(rgb: Array, alpha: Array) -> Array:
    """The background through a lens of 64 samples, weighted by what is not the subject; linear light."""
    total, weight = np.zeros_like(rgb), np.full((H, W), 1e-6)
    y, x = np.mgrid[:H, :W] + 0.5
    for i in range(64):
        r, t = np.sqrt((i + 0.5) / 64) * LENS, i * 2.399963
        # (x, y) as float32 positions of texels, whose centres lie at one half.
        px = np.clip(x + r * np.cos(t), 0.5, W - 0.5), np.clip(y + r * np.sin(t), 0.5, H - 0.5)
        where = [np.asarray(p - 0.5, np.float32) for p in px]
        nearest = np.floor(px[1]).astype(int).clip(0, H - 1), np.floor(px[0]).astype(int).clip(0, W - 1)
        w = 1 - alpha[nearest]
        sampled = cv2.remap(rgb.astype(np.float32), *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        total += w[..., None] * light(sampled.astype(np.float64))
        weight += w
    return total / weight[..., None]


def expected(
    look: Look, view: str, shape: tuple[int, ...], wipe: float | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """The canvas as it should be, (h, w, 3) in [0, 255], and where that is sure: off the edges of pixels."""
    left, top, scale = look.place()
    sy, sx = np.mgrid[: shape[0], : shape[1]] + 0.5
    x, y = (sx - left) / scale, (sy - top) / scale
    u, v = np.floor(x).astype(int), np.floor(y).astype(int)
    sure = (np.abs(x - np.rint(x)) > 1e-3) & (np.abs(y - np.rint(y)) > 1e-3)
    inside = (u >= 0) & (v >= 0) & (u < W) & (v < H)
    at = v.clip(0, H - 1), u.clip(0, W - 1)
    rgb, alpha = look.plate, look.alpha  # type: ignore[attr-defined]
    c, a = rgb[at], alpha[at][..., None]
    squares = (np.floor(sx / 16) + np.floor(sy / 16)) % 2
    views = {
        "plate": lambda: c,
        "overlay": lambda: c * (1 - a / 2) + AMBER * a / 2,
        "alpha": lambda: np.repeat(a, 3, 2),
        "checker": lambda: over(c, np.where(squares < 0.5, 0.3, 0.12)[..., None], a),
        "colour": lambda: over(c, light(np.array([0x2F, 0x6F, 0x4F]) / 255), a),
        "blur": lambda: over(c, blurred(rgb, alpha)[at], a),
    }
    found = views[view]()
    if wipe is not None:
        found = np.where((sx < wipe * shape[1])[..., None], c, found)
    return np.where(inside[..., None], found, 0.055) * 255, sure


KEYS = {"plate": "p", "overlay": "m", "alpha": "a", "checker": "c", "colour": "b", "blur": "d"}


def test_every_view_is_numpys_and_switching_asks_for_nothing(look: Look) -> None:
    known = 1 / (1 + np.exp(-(mask(1) / 255 - 0.5) * 8))
    np.testing.assert_allclose(look.alpha, known, atol=0.6 / 255)  # type: ignore[attr-defined]
    asked: list[str] = []
    look.page.on(
        "request", lambda r: asked.append(r.url) if "/frames/" in r.url or "/masks/" in r.url else None
    )
    look.press("m").settled()
    asked.clear()
    for view, key in KEYS.items():
        seen = look.press(key).wait(f"document.querySelector('#picture').dataset.view === '{view}'").pixels()
        wanted, sure = expected(look, view, seen.shape)
        assert sure.mean() > 0.9
        off = np.abs(seen - wanted).max(axis=2)
        # The lens looks from the middle of a screen pixel, numpy from the middle of the plate's.
        centre = middles(look, seen.shape) if view == "blur" else sure
        assert off[centre].max() <= NEAR, (view, off[centre].max())
    assert asked == []


def middles(look: Look, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Screen pixels that lie nearest to the middle of a plate pixel, away from the masks' steps."""
    left, top, scale = look.place()
    sy, sx = np.mgrid[: shape[0], : shape[1]] + 0.5
    fx, fy = np.modf((sx - left) / scale)[0], np.modf((sy - top) / scale)[0]
    return np.asarray((np.abs(fx - 0.5) * scale <= 0.5) & (np.abs(fy - 0.5) * scale <= 0.5))


def test_one_to_one_every_pixel_is_the_plates(look: Look) -> None:
    look.press("p", "z").wait("document.querySelector('#picture').dataset.place.endsWith(' 1')")
    seen = look.pixels()
    wanted, _ = expected(look, "plate", seen.shape)
    assert (np.abs(wanted - 0.055 * 255).max(axis=2) > 1).sum() == W * H
    assert np.abs(seen - wanted).max() <= NEAR


def test_zoomed_far_in_a_pixel_is_a_square_of_one_colour(look: Look) -> None:
    look.press("p", "f")
    x, y = look.at(30.5 / W, 20.5 / H)
    look.page.mouse.move(x, y)
    look.page.mouse.wheel(0, -600)
    look.wait("Number(document.querySelector('#picture').dataset.place.split(' ')[2]) > 40")
    seen = look.pixels()
    left, top, scale = look.place()
    box = look.page.locator("#picture").bounding_box()
    at = int(y - box["y"]), int(x - box["x"])
    assert (int((at[1] + 0.5 - left) / scale), int((at[0] + 0.5 - top) / scale)) == (30, 20)
    corner = round(left + 30 * scale), round(top + 20 * scale)
    square = seen[corner[1] + 1 : corner[1] + int(scale) - 1, corner[0] + 1 : corner[0] + int(scale) - 1]
    assert np.ptp(square.reshape(-1, 3), axis=0).max() == 0
    assert np.abs(square[0, 0] - look.plate[20, 30] * 255).max() <= NEAR  # type: ignore[attr-defined]


def test_the_wipe_shows_the_plate_left_of_its_line_and_can_be_dragged(look: Look) -> None:
    look.press("a", "w")
    seen = look.pixels()
    width = seen.shape[1]
    np.testing.assert_array_equal(seen[:, width // 2], 255)
    keep = np.abs(np.arange(width) + 0.5 - width / 2) > 2
    wanted, sure = expected(look, "alpha", seen.shape, 0.5)
    assert np.abs(seen - wanted)[sure & keep].max() <= NEAR
    box = look.page.locator("#picture").bounding_box()
    mouse = look.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 4, box["y"] + 40, steps=4)
    mouse.up()
    moved = look.pixels()
    assert np.argmax((moved == 255).all(axis=(0, 2))) == pytest.approx(width / 4, abs=2)
    assert look.state().prompts == look.shot.prompts  # dragging the line says nothing about the subject


def test_onion_outlines_are_the_neighbours_edges(look: Look) -> None:
    plain = look.press("p").pixels()
    drawn = look.press("o").wait("true").pixels()
    for _ in range(100):
        if (drawn != plain).any():
            break
        drawn = look.pixels()
    changed = np.abs(drawn - plain).max(axis=2) > 60
    blue = changed & (drawn[..., 2] > drawn[..., 0] + 60)
    orange = changed & (drawn[..., 0] > drawn[..., 2] + 100)
    left, top, scale = look.place()
    sy, sx = np.mgrid[: plain.shape[0], : plain.shape[1]] + 0.5
    for where, k in ((blue, 0), (orange, 2)):
        assert where.sum() > 500
        # The matte crosses one half on the circle of radius 14.
        far = np.hypot((sx - left) / scale - 26 - 4 * k, (sy - top) / scale - 24) - 14
        assert np.abs(far[where]).max() < 0.6
        angle = np.arctan2((sy - top) / scale - 24, (sx - left) / scale - 26 - 4 * k)[where]
        assert len(np.unique(np.round(angle, 1))) > 40  # all the way round


def test_two_objects_can_be_seen_together_or_alone(look: Look) -> None:
    shot = look.state()
    png = base64.b64encode(cv2.imencode(".png", np.roll(mask(1), 16, axis=1))[1].tobytes()).decode()
    look.client.put_prompt(shot.shot, shot.revision, m.Prompt(1002, "other", mask=png))
    look.press("a").wait("document.querySelectorAll('.object').length === 3")
    look.page.wait_for_timeout(100)
    other = 1 / (1 + np.exp(-(np.roll(mask(1), 16, axis=1) / 255 - 0.5) * 8))
    both = 1 - (1 - look.alpha) * (1 - other)  # type: ignore[attr-defined]
    for key, wanted in (("1", both), ("u", other)):
        look.press(key)
        look.kind("selection")
        seen = look.pixels()
        middle = middles(look, seen.shape)
        left, top, scale = look.place()
        ys, xs = np.nonzero(middle)
        v, u = np.floor((ys + 0.5 - top) / scale).astype(int), np.floor((xs + 0.5 - left) / scale).astype(int)
        there = (u >= 0) & (v >= 0) & (u < W) & (v < H)
        ys, xs, texels = ys[there], xs[there], (v[there], u[there])
        assert len(ys) >= W * H
        assert np.abs(seen[ys, xs, 0] - wanted[texels] * 255).max() <= NEAR
