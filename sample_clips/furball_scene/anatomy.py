"""Body plan of the animal: its parts as chains of balls, skin mesh and skinning weights.

Creature space: +X forward, +Y left, +Z up, feet at z = 0.  One unit is about ten centimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np


@dataclass(frozen=True)
class Part:
    """A rigid-ish body part that follows one bone.

    ``limbs`` are capsules ``(start, end, start radius, end radius)``; ``squash`` flattens the
    balls along X, which is only used for the ears.
    """

    bone: str
    pivot: tuple[float, float, float]
    limbs: tuple[tuple, ...]
    squash: float = 1.0


TAIL = ((-1.15, 0, 1.55), (-1.6, 0, 1.75), (-2.0, 0, 2.1), (-2.2, 0, 2.6), (-2.2, 0, 3.05))
NOSE_TIP = (2.1, 0.0, 1.98)


def _mirrored(name: str, pivot: tuple, limbs: tuple, squash: float = 1.0) -> list[Part]:
    """A left and a right part from the left one."""
    parts = []
    for side, sign in (("L", 1), ("R", -1)):
        flip = np.array((1, sign, 1))
        parts.append(
            Part(
                f"{name}.{side}",
                tuple(np.multiply(pivot, flip)),
                tuple(
                    (tuple(np.multiply(a, flip)), tuple(np.multiply(b, flip)), r, s) for a, b, r, s in limbs
                ),
                squash,
            )
        )
    return parts


def build_parts() -> list[Part]:
    """All body parts in a fixed order."""
    parts = [
        Part(
            "hips",
            (-0.4, 0, 1.25),
            (
                ((-0.75, 0, 1.2), (0.0, 0, 1.35), 0.68, 0.66),
                ((-0.62, 0.34, 1.0), (-0.5, 0.36, 0.85), 0.5, 0.42),
                ((-0.62, -0.34, 1.0), (-0.5, -0.36, 0.85), 0.5, 0.42),
            ),
        ),
        Part(
            "chest",
            (0.1, 0, 1.3),
            (
                ((0.2, 0, 1.32), (0.72, 0, 1.3), 0.64, 0.58),
                ((0.8, 0, 1.5), (1.2, 0, 1.9), 0.5, 0.42),
            ),
        ),
        Part(
            "head",
            (1.15, 0, 1.9),
            (
                ((1.35, 0, 2.2), (1.5, 0, 2.15), 0.52, 0.48),
                ((1.5, 0.2, 2.02), (1.5, 0.26, 2.02), 0.34, 0.32),
                ((1.5, -0.2, 2.02), (1.5, -0.26, 2.02), 0.34, 0.32),
                ((1.7, 0, 2.03), (2.05, 0, 1.94), 0.27, 0.15),
            ),
        ),
    ]
    parts += _mirrored("ear", (1.3, 0.32, 2.55), (((1.3, 0.33, 2.5), (1.2, 0.5, 3.1), 0.24, 0.05),), 0.45)
    parts += _mirrored(
        "fore",
        (0.72, 0.3, 1.1),
        (
            ((0.72, 0.3, 1.05), (0.74, 0.3, 0.16), 0.25, 0.15),
            ((0.74, 0.3, 0.13), (0.9, 0.3, 0.11), 0.15, 0.13),
        ),
    )
    parts += _mirrored(
        "hind",
        (-0.55, 0.38, 0.95),
        (
            ((-0.55, 0.38, 0.85), (-0.55, 0.4, 0.2), 0.36, 0.17),
            ((-0.55, 0.4, 0.14), (-0.2, 0.42, 0.11), 0.17, 0.13),
        ),
    )
    radii = (0.2, 0.2, 0.18, 0.15, 0.1)
    for i in range(len(TAIL) - 1):
        limb = (TAIL[i], TAIL[i + 1], radii[i], radii[i + 1])
        parts.append(Part(f"tail{i}", TAIL[i], (limb,)))
    return parts


def _capsule_distance(points: np.ndarray, limb: tuple, squash: float) -> np.ndarray:
    """Approximate signed distance from ``points`` to one capsule."""
    a, b = np.array(limb[0], float), np.array(limb[1], float)
    axis = b - a
    along = np.clip((points - a) @ axis / max(axis @ axis, 1e-9), 0, 1)
    offset = points - (a + along[:, None] * axis)
    offset[:, 0] /= squash
    return np.linalg.norm(offset, axis=1) - (limb[2] + along * (limb[3] - limb[2]))


def part_weights(points: np.ndarray, parts: list[Part], softness: float = 0.09) -> np.ndarray:
    """Smooth skinning weights, one row per point and one column per part."""
    columns = [
        np.min([_capsule_distance(points, limb, part.squash) for limb in part.limbs], axis=0)
        for part in parts
    ]
    distance = np.stack(columns, axis=1)
    distance -= distance.min(axis=1, keepdims=True)
    weights = np.exp(-distance / softness)
    weights[weights < 0.01] = 0
    return weights / weights.sum(axis=1, keepdims=True)


def _ball_cloud(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping spheres along every limb as one triangle/quad soup."""
    rings, sectors = 10, 14
    theta = np.linspace(0.02, np.pi - 0.02, rings)
    phi = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    ball = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), np.ones(sectors)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    faces = []
    for i in range(rings - 1):
        for j in range(sectors):
            k = (j + 1) % sectors
            quad = (i * sectors + j, (i + 1) * sectors + j, (i + 1) * sectors + k, i * sectors + k)
            faces.append(quad)
    quads = np.array(faces)
    top = np.arange(sectors)[None]
    bottom = ((rings - 1) * sectors + np.arange(sectors))[None, ::-1]
    all_verts: list[np.ndarray] = []
    all_faces: list[list[int]] = []
    count = 0
    for part in parts:
        for a, b, r0, r1 in part.limbs:
            steps = max(2, int(np.linalg.norm(np.subtract(b, a)) / (0.25 * min(r0, r1))) + 1)
            for s in np.linspace(0, 1, steps):
                scale = np.array((part.squash, 1, 1)) * (r0 + s * (r1 - r0))
                all_verts.append(ball * scale + np.add(a, s * np.subtract(b, a)))
                for block in (quads, top, bottom):
                    all_faces += (block + count).tolist()
                count += len(ball)
    return np.concatenate(all_verts), all_faces


def build_skin(parts: list[Part]) -> bpy.types.Mesh:
    """One smooth closed triangle mesh around all parts."""
    verts, faces = _ball_cloud(parts)
    soup = bpy.data.meshes.new("soup")
    soup.from_pydata(verts.tolist(), [], faces)
    obj = bpy.data.objects.new("soup", soup)
    bpy.context.scene.collection.objects.link(obj)
    remesh = obj.modifiers.new("remesh", "REMESH")
    remesh.mode, remesh.voxel_size = "VOXEL", 0.05
    smooth = obj.modifiers.new("smooth", "SMOOTH")
    smooth.factor, smooth.iterations = 0.5, 8
    obj.modifiers.new("triangles", "TRIANGULATE")
    graph = bpy.context.evaluated_depsgraph_get()
    skin = bpy.data.meshes.new_from_object(obj.evaluated_get(graph))
    skin.name = "skin"
    bpy.data.objects.remove(obj)
    skin.shade_smooth()
    # Every triangle gets its own cell of the UV square: hair roots are looked up by UV.
    count = len(skin.polygons)
    side = int(np.ceil(np.sqrt(count)))
    cell = np.stack([np.arange(count) % side, np.arange(count) // side], axis=1)
    corners = np.array([(0.1, 0.1), (0.9, 0.1), (0.1, 0.9)])
    uv = (cell[:, None, :] + corners[None]) / side
    skin.uv_layers.new(name="UVMap").uv.foreach_set("vector", uv.astype(np.float32).ravel())
    return skin
