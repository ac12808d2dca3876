"""Motion of the animal and the camera: closed-form functions of time, keyed on every frame."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

import bpy  # noqa: F401  (makes mathutils importable)
import numpy as np
from mathutils import Matrix, Vector, noise

from .anatomy import TAIL, Part

FRAMES = 48
HOP = 13.0  # frames per hop
CONTACT = 0.36  # part of a hop spent on the ground
HOPS = ((2.2, 0.85), (2.35, 1.0), (1.3, 0.5))  # (length, height) of each hop, then it stands


@dataclass
class Gait:
    """State of the hop cycle at one moment."""

    travel: float  # distance along the path
    height: float  # of the body above its standing height
    crouch: float  # 0..1
    air: float  # progress of the flight 0..1, or -1 on the ground
    contact: float  # progress of the ground phase 0..1


def gait(t: float) -> Gait:
    """Hop cycle at frame ``t``."""
    clock = t / HOP + 0.2
    index = int(clock // 1)
    phase = clock - index
    done = sum(length for length, _ in HOPS[: max(index, 0)])
    if index >= len(HOPS):
        settle = (clock - len(HOPS)) / CONTACT
        crouch = max(0.0, sin(pi * min(settle, 1))) * 0.8
        return Gait(done + 0.25 * (1 - np.exp(-2.0 * settle)), 0, crouch, -1, min(settle, 1))
    length, height = HOPS[max(index, 0)]
    if phase < CONTACT:
        g = phase / CONTACT
        return Gait(done + 0.14 * length * g, 0, sin(pi * g), -1, g)
    s = (phase - CONTACT) / (1 - CONTACT)
    return Gait(done + length * (0.14 + 0.86 * s), 4 * height * s * (1 - s), 0, s, 0)


def smoothed(t: float, field: str) -> float:
    """A gait value averaged over neighbouring moments, which rounds off its corners."""
    taps = ((-1.2, 0.2), (-0.5, 0.3), (0.5, 0.3), (1.2, 0.2))
    return sum(w * getattr(gait(t + d), field) for d, w in taps)


def ease(t: float, start: float, end: float) -> float:
    """Smooth step from 0 to 1 between two frames."""
    x = min(max((t - start) / (end - start), 0), 1)
    return x * x * (3 - 2 * x)


def heading(t: float) -> float:
    """Direction of travel in radians; negative turns towards the camera."""
    return radians(12 - 30 * ease(t, 4, 34) - 20 * ease(t, 33, 44))


def path(t: float) -> tuple[float, float]:
    """Ground position of the animal at frame ``t``."""
    x, y = -3.55, 0.9
    steps = np.arange(0, abs(t), 0.25)
    direction = 1 if t >= 0 else -1
    for step in steps:
        a, b = direction * step, direction * min(step + 0.25, abs(t))
        move = smoothed(b, "travel") - smoothed(a, "travel")
        angle = heading((a + b) / 2)
        x, y = x + move * cos(angle), y + move * sin(angle)
    return x, y


def _about(pivot: Vector, rotation: Matrix) -> Matrix:
    """A rotation about a point."""
    return Matrix.Translation(pivot) @ rotation @ Matrix.Translation(-pivot)


def _rot(pitch: float = 0, yaw: float = 0, roll: float = 0) -> Matrix:
    """Rotation in degrees: positive pitch lifts the nose, positive yaw turns left."""
    return (
        Matrix.Rotation(radians(yaw), 4, "Z")
        @ Matrix.Rotation(radians(-pitch), 4, "Y")
        @ Matrix.Rotation(radians(roll), 4, "X")
    )


def _leg(parent: Matrix, pivot: Vector, rest_foot: Vector, foot: Vector) -> Matrix:
    """Swing and stretch a leg so that its foot reaches a target."""
    hip = parent @ pivot
    rest, now = rest_foot - pivot, foot - hip
    swing = rest.rotation_difference(now).to_matrix().to_4x4()
    stretch = Matrix.Diagonal((1, 1, min(max(now.length / rest.length, 0.6), 1.3), 1))
    return Matrix.Translation(hip) @ swing @ stretch @ Matrix.Translation(-pivot)


def pose(t: float, parts: list[Part]) -> dict[str, Matrix]:
    """Deformation matrix of every bone, in creature space, at frame ``t``."""
    now = gait(t)
    lift, crouch = smoothed(t, "height"), smoothed(t, "crouch")
    climb = (smoothed(t + 1, "height") - smoothed(t - 1, "height")) / 2
    calm = ease(t, 34, 42)
    breath = sin(2 * pi * t / 17) * 0.015
    pivots = {part.bone: Vector(part.pivot) for part in parts}
    shift = Matrix.Translation((0, 0, lift - 0.26 * crouch + breath))
    body = shift @ _about(Vector((0, 0, 1.2)), _rot(pitch=55 * climb - 4 * crouch))
    out = {"hips": body @ _about(pivots["hips"], _rot(pitch=-10 * crouch - 25 * climb))}
    out["chest"] = body @ _about(pivots["chest"], _rot(pitch=6 * crouch + 10 * climb, yaw=-10 * calm))
    glance = 8 * sin(t / 9.0) - 34 * ease(t, 31, 41)
    nod = -45 * climb - 5 * crouch + 4 * calm
    head = out["chest"] @ _about(pivots["head"], _rot(pitch=nod, yaw=glance, roll=-9 * ease(t, 39, 46)))
    out["head"] = head
    for side, sign in (("L", 1), ("R", -1)):
        flick = 22 * sin(pi * ease(t, 40, 45)) if side == "R" else 0
        lag = (smoothed(t, "height") - smoothed(t - 2, "height")) / 2
        ear = _rot(pitch=70 * lag + 8 * crouch, yaw=sign * (6 * crouch) - flick)
        out[f"ear.{side}"] = head @ _about(pivots[f"ear.{side}"], ear)
        late = 0.05 * sign  # the two legs of a pair do not move in lockstep
        if now.air >= 0:
            s = min(max(now.air + late * sin(pi * now.air), 0), 1)
            fore = Vector((np.interp(s, (0, 0.35, 1), (-0.1, -0.05, 0.28)), 0, 0))
            hind = Vector((np.interp(s, (0, 0.2, 0.6, 1), (-0.1, -0.6, -0.1, 0.35)), 0, 0))
            fore.z = now.height + 0.3 * sin(pi * s)
            hind.z = now.height * np.interp(s, (0, 0.25, 0.7), (0.7, 0.8, 1)) + 0.25 * sin(pi * s)
        else:
            g = now.contact
            fore = Vector((np.interp(g, (0, 1), (0.28, 0.0)) - 0.0, 0, 0))
            hind = Vector((np.interp(g, (0, 1), (0.35, 0.0)), 0, 0))
        for name, offset, rest_x, rest_y in (
            ("fore", fore, 0.74, 0.3),
            ("hind", hind, -0.55, 0.4),
        ):
            rest = Vector((rest_x, sign * rest_y, 0.08))
            parent = out["chest" if name == "fore" else "hips"]
            bone = f"{name}.{side}"
            out[bone] = _leg(parent, pivots[bone], rest, rest + offset)
    chain = out["hips"]
    for i in range(len(TAIL) - 1):
        delayed = t - 1.3 * i
        rise = (smoothed(delayed, "height") - smoothed(delayed - 2, "height")) / 2
        swish = 9 * sin(2 * pi * (delayed / 24)) + 5 * sin(2 * pi * delayed / 11 + 1)
        bend = _rot(pitch=34 * rise - 5 * smoothed(delayed, "crouch") + 5, yaw=swish)
        chain = chain @ _about(pivots[f"tail{i}"], bend)
        out[f"tail{i}"] = chain
    return out


def fur_drag(t: float) -> Vector:
    """How far the longest hair tips lag behind the body, in creature space."""
    speed = (smoothed(t, "travel") - smoothed(t - 1.5, "travel")) / 1.5
    rise = (smoothed(t, "height") - smoothed(t - 1.5, "height")) / 1.5
    gust = 0.03 * sin(t / 4.1) + 0.02 * sin(t / 2.3)
    return Vector((-0.55 * speed, gust, -0.75 * rise))


def camera_state(t: float) -> tuple[Vector, Vector, float]:
    """Hand-held tracking camera: position, look-at point and focus distance."""
    x, _ = path(0.85 * t + 2)
    sway = noise.noise_vector(Vector((t * 0.045, 1.7, 0))) * 0.10
    jitter = noise.noise_vector(Vector((t * 0.16, 9.1, 0))) * 0.025
    place = Vector((0.62 * x + 1.1, -19.2 + 0.02 * t, 3.0)) + 2 * sway
    target = Vector((0.88 * x + 0.15, 0.8, 1.72)) + sway + jitter
    subject = Vector((*path(t), 1.5))
    return place, target, (subject - place).length - 0.3
