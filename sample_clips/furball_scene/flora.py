"""What grows and lies around: litter, grass, stones, trunks, undergrowth, canopy, and the light."""

from __future__ import annotations

from math import radians

import bpy
import numpy as np

from .forest import (
    add_ground,
    blade_shape,
    ground_height,
    lattice,
    leaf_shape,
    mesh_object,
    rotations,
    scatter,
    tinted_material,
)

SUN = (radians(46), 0.0, radians(150))  # rotation of the sun lamp: high, from behind right
LITTER = np.array([(0.30, 0.14, 0.05), (0.20, 0.10, 0.045), (0.40, 0.25, 0.10), (0.13, 0.07, 0.04)])
GREENS = np.array([(0.10, 0.17, 0.03), (0.17, 0.22, 0.045), (0.06, 0.12, 0.028), (0.26, 0.24, 0.07)])


def _pick(rng, palette: np.ndarray, count: int) -> np.ndarray:
    """Random colours between palette entries, varied in brightness."""
    mix = rng.dirichlet(np.full(len(palette), 0.5), count)
    return np.clip(mix @ palette * rng.normal(1, 0.25, (count, 1)), 0.01, 0.9)


def _on_ground(x: np.ndarray, y: np.ndarray, lift) -> np.ndarray:
    """Points just above the terrain."""
    return np.stack([x, y, ground_height(x, y) + lift], axis=1)


def add_litter(collection, rng) -> None:
    """Fallen leaves and small twigs."""
    base, faces = leaf_shape()
    near = rng.uniform((-12, -8), (13, 9), (9000, 2))
    far = rng.uniform((-22, 9), (22, 34), (3000, 2))
    spots = np.concatenate([near, far])
    patch = lattice(spots[:, 0] / 1.7, spots[:, 1] / 1.7, 21)
    spots = spots[rng.random(len(spots)) < np.clip(0.55 + 0.6 * patch, 0.1, 1)]
    count = len(spots)
    places = _on_ground(spots[:, 0], spots[:, 1], rng.uniform(0.02, 0.08, count))
    sizes = rng.uniform(0.2, 0.55, count)
    turns = rotations(rng, count, 0.35)
    material = tinted_material("litter", 0.75, 0.12)
    scatter(collection, "litter", base, faces, places, turns, sizes, _pick(rng, LITTER, count), material)
    twig = np.array(
        [(u, 0.012 * c, 0.012 * s) for u in (-0.5, 0.1, 0.5) for c, s in ((1, 0), (-0.5, 0.9), (-0.5, -0.9))]
    )
    twig[3:6, 1] += 0.05
    sides = np.array(
        [
            (3 * i + j, 3 * i + (j + 1) % 3, 3 * i + 3 + (j + 1) % 3, 3 * i + 3 + j)
            for i in range(2)
            for j in range(3)
        ]
    )
    spots = rng.uniform((-12, -8), (13, 12), (900, 2))
    scatter(
        collection,
        "twigs",
        twig,
        sides,
        _on_ground(*spots.T, 0.06),
        rotations(rng, 900, 0.12),
        rng.uniform(0.4, 1.8, 900),
        _pick(rng, LITTER[[1, 3]], 900),
        material,
    )


def add_grass(collection, rng) -> None:
    """Tufts of grass in patches: short beside the animal's path, longer behind."""
    base, faces = blade_shape()
    tufts = np.concatenate(
        [rng.uniform((-13, -8), (14, 12), (2600, 2)), rng.uniform((-26, 12), (26, 44), (1200, 2))]
    )
    patch = lattice(tufts[:, 0] / 2.8, tufts[:, 1] / 2.8, 31)
    keep = rng.random(len(tufts)) < np.clip(0.25 + 1.2 * patch, 0.05, 1)
    keep &= (np.abs(tufts[:, 1] + 0.3) > 1.7) | (rng.random(len(tufts)) < 0.4)
    tufts = tufts[keep]
    tall = np.clip((tufts[:, 1] - 1.2) / 2.5, 0, 1) * 1.0 + 0.3 * np.clip(-2.5 - tufts[:, 1], 0, 1)
    blades = 26
    spots = np.repeat(tufts, blades, axis=0)
    spots = spots + rng.normal(0, 0.16, spots.shape) * (1 + np.repeat(tall, blades))[:, None]
    count = len(spots)
    sizes = (0.28 + np.repeat(tall, blades)) * rng.uniform(0.5, 1.2, count)
    tints = np.repeat(_pick(rng, GREENS, len(tufts)), blades, axis=0) * rng.normal(1, 0.2, (count, 1))
    material = tinted_material("grass", 0.6, 0.4)
    scatter(
        collection,
        "grass",
        base,
        faces,
        _on_ground(*spots.T, -0.02),
        rotations(rng, count, 0.3),
        sizes,
        np.clip(tints, 0.01, 1),
        material,
    )


def add_stones(collection, rng) -> None:
    """Weathered stones with pale lichen."""
    import bmesh

    builder = bmesh.new()
    bmesh.ops.create_icosphere(builder, subdivisions=3, radius=1)
    ball = np.array([v.co[:] for v in builder.verts])
    faces = np.array([[v.index for v in f.verts] for f in builder.faces])
    builder.free()
    material = tinted_material("stone", 0.9, 0)
    spots = [
        (-2.6, 3.6, 0.8),
        (-1.7, 4.3, 0.5),
        (3.9, 3.3, 0.55),
        (6.8, 5.0, 1.1),
        (-6.5, 6.5, 1.3),
        (1.2, 7.5, 0.9),
        (-5.2, -3.0, 0.28),
        (2.4, -3.2, 0.22),
        (8.2, 2.6, 0.4),
        (4.5, 9.0, 1.0),
    ]
    spots += [(*rng.uniform((-11, 2), (13, 14)), rng.uniform(0.1, 0.35)) for _ in range(40)]
    spots += [(*rng.uniform((-11, -6), (13, 2)), rng.uniform(0.05, 0.13)) for _ in range(60)]
    for k, (x, y, size) in enumerate(spots):
        bumps = lattice(ball[:, 0] * 1.5 + k, ball[:, 1] * 1.5 + ball[:, 2] * 2, 41)
        fine = lattice(ball[:, 0] * 6 + k, ball[:, 1] * 6 + ball[:, 2] * 7, 42)
        verts = ball * (1 + 0.22 * bumps + 0.05 * fine)[:, None] * np.array((1.2, 1, 0.65)) * size
        turn = rng.uniform(0, 6.28)
        spin = np.array([(np.cos(turn), -np.sin(turn), 0), (np.sin(turn), np.cos(turn), 0), (0, 0, 1)])
        verts = verts @ spin.T + (x, y, float(ground_height(x, y)) + 0.15 * size)
        lichen = np.clip(fine * 1.6 - 0.2 + ball[:, 2] * 0.4, 0, 1)[:, None]
        tint = np.array((0.17, 0.155, 0.135)) * (1 - lichen) + np.array((0.36, 0.37, 0.27)) * lichen
        mesh_object(collection, "stone", verts, faces, tint * rng.uniform(0.7, 1.1), material)


def add_trunks(collection, rng) -> None:
    """Tree trunks with furrowed bark, flaring at the roots."""
    material = tinted_material("bark", 0.95, 0)
    spots = [(-4.6, 8.5, 0.75), (5.6, 12, 0.9), (0.6, 17, 0.8), (10.5, 16, 1.0), (-10, 14, 1.1)]
    spots += [(*rng.uniform((-28, 20), (30, 60)), rng.uniform(0.5, 1.1)) for _ in range(26)]
    for k, (x, y, radius) in enumerate(spots):
        angle, z = np.meshgrid(np.linspace(0, 2 * np.pi, 32, endpoint=False), np.linspace(-1, 26, 60))
        a, z = angle.ravel(), z.ravel()
        bark = lattice(a * 32 / (2 * np.pi) / 2, z * 0.9 + k * 7, 51) * 0.07
        flare = 1 + 0.8 * np.exp(-(z + 1) * 0.9) * (1 + 0.35 * np.sin(5 * a + k)) - 0.012 * z
        r = radius * (flare + bark)
        lean = 0.03 * np.sin(k * 2.2) * z
        base = float(ground_height(x, y))
        verts = np.stack([x + lean + r * np.cos(a), y + r * np.sin(a), base + z], axis=1)
        rows, cols = np.meshgrid(np.arange(59) * 32, np.arange(32), indexing="ij")
        i, j = (rows + cols).ravel(), (rows + (cols + 1) % 32).ravel()
        moss = np.clip(0.6 - z / 4 + 0.5 * lattice(a * 2, z, 52), 0, 1)[:, None] * 0.8
        tint = np.array((0.12, 0.09, 0.065)) * (1 + 6 * bark[:, None]) * (1 - moss) + moss * GREENS[2]
        quads = np.stack([i, j, j + 32, i + 32], axis=1)
        mesh_object(collection, "trunk", verts, quads, np.clip(tint, 0.01, 1), material)


def add_bushes(collection, rng) -> None:
    """Undergrowth behind the clearing, out of focus: its leaves can be simple."""
    base, faces = leaf_shape(3)
    material = tinted_material("foliage", 0.5, 0.5)
    bushes = np.concatenate(
        [rng.uniform((-20, 10), (22, 26), (34, 2)), rng.uniform((-36, 26), (36, 62), (90, 2))]
    )
    bushes = bushes[np.abs(lattice(bushes[:, 0] / 5, bushes[:, 1] / 5, 61)) > 0.1]
    leaves = 260
    size = rng.uniform(0.9, 2.3, len(bushes)) * (1 + bushes[:, 1] / 60)
    ball = rng.normal(size=(len(bushes), leaves, 3))
    ball *= (rng.random((len(bushes), leaves, 1)) ** 0.4) / np.linalg.norm(ball, axis=2, keepdims=True)
    places = _on_ground(*bushes.T, 0.6 * size)[:, None] + ball * size[:, None, None] * (
        1.1,
        1.1,
        0.9,
    )
    places = places.reshape(-1, 3)
    count = len(places)
    tints = np.repeat(_pick(rng, GREENS * 1.15, len(bushes)), leaves, axis=0) * rng.normal(1, 0.2, (count, 1))
    scatter(
        collection,
        "bushes",
        base,
        faces,
        places,
        rotations(rng, count, 0.7),
        rng.uniform(0.35, 0.8, count),
        np.clip(tints, 0.01, 1),
        material,
    )


def add_canopy(collection, rng) -> None:
    """Leaves high above that dapple the sunlight."""
    base, faces = leaf_shape(3)
    material = tinted_material("canopy", 0.5, 0.5)
    clusters = rng.uniform((-12, -2, 14), (32, 36, 20), (330, 3))
    places = np.repeat(clusters, 12, axis=0) + rng.normal(0, 0.75, (330 * 12, 3))
    count = len(places)
    scatter(
        collection,
        "canopy",
        base,
        faces,
        places,
        rotations(rng, count, 0.5),
        rng.uniform(0.8, 1.5, count),
        _pick(rng, GREENS, count),
        material,
    )


def add_light(collection) -> None:
    """Sun through the canopy and a pale sky that is brighter towards the horizon."""
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.angle, sun.color = 7.5, radians(1.2), (1.0, 0.86, 0.68)
    lamp = bpy.data.objects.new("sun", sun)
    lamp.rotation_euler = SUN
    collection.objects.link(lamp)
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    coords, split = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (1.0, 0.97, 0.88, 1)
    ramp.color_ramp.elements[1].color = (0.30, 0.48, 0.85, 1)
    ramp.color_ramp.elements[1].position = 0.6
    links.new(coords.outputs["Generated"], split.inputs[0])
    links.new(split.outputs["Z"], ramp.inputs[0])
    links.new(ramp.outputs[0], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = 1.0


def build_forest(collection: bpy.types.Collection, layer: str, seed: int = 3) -> None:
    """Everything but the animal, without the parts that one layer cannot see."""
    add_ground(collection)
    needed = [add_litter, add_grass, add_stones]
    if layer != "coverage":
        needed += [add_trunks, add_canopy]
        add_light(collection)
    if layer == "background":
        needed.append(add_bushes)
    for add in needed:
        add(collection, np.random.default_rng([seed, *add.__name__.encode()]))
