"""The setting: forest floor with litter, grass, stones and trunks, undergrowth and daylight."""

from __future__ import annotations

import bpy
import numpy as np


def lattice(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Smooth value noise in -1..1 on the plane."""
    xi, yi = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - xi, y - yi
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)

    def value(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        h = (i * 374761393 + j * 668265263 + seed * 144269504) & 0x7FFFFFFF
        h = ((h ^ (h >> 13)) * 1274126177) & 0x7FFFFFFF
        return (h ^ (h >> 16)) % 65536 / 32767.5 - 1

    top = value(xi, yi) * (1 - fx) + value(xi + 1, yi) * fx
    low = value(xi, yi + 1) * (1 - fx) + value(xi + 1, yi + 1) * fx
    return top * (1 - fy) + low * fy


def ground_height(x, y) -> np.ndarray:
    """Height of the terrain: nearly flat along the animal's path, rolling and rising behind."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    away = np.clip((np.abs(y - 0.5) - 2.2) / 4, 0, 1)
    rolling = 0.5 * lattice(x / 6, y / 6, 1) + 0.22 * lattice(x / 2.1, y / 2.1, 2)
    rise = 0.0022 * np.clip(y - 6, 0, None) ** 2
    return away * rolling + 0.05 * lattice(x * 1.1, y * 1.1, 3) + rise


def mesh_object(collection, name: str, verts, faces, colours, material) -> bpy.types.Object:
    """A mesh from arrays, with one colour per vertex in the attribute ``tint``."""
    mesh = bpy.data.meshes.new(name)
    faces = np.asarray(faces, np.int32)
    mesh.vertices.add(len(verts))
    mesh.vertices.foreach_set("co", np.asarray(verts, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, faces.shape[1], dtype=np.int32))
    if colours is not None:
        layer = mesh.attributes.new("tint", "FLOAT_COLOR", "POINT")
        rgba = np.concatenate([colours, np.ones((len(verts), 1))], axis=1)
        layer.data.foreach_set("color", rgba.astype(np.float32).ravel())
    mesh.update()
    mesh.validate()
    mesh.shade_smooth()
    mesh.materials.append(material)
    obj = bpy.data.objects.new(name, mesh)
    collection.objects.link(obj)
    return obj


def rotations(rng, count: int, tilt: float) -> np.ndarray:
    """Random turns about Z after a random tilt of about ``tilt`` radians."""
    a, b, c = (
        rng.uniform(0, 2 * np.pi, count),
        rng.normal(0, tilt, count),
        rng.normal(0, tilt, count),
    )
    one, zero = np.ones(count), np.zeros(count)
    rx = np.array([[one, zero, zero], [zero, np.cos(b), -np.sin(b)], [zero, np.sin(b), np.cos(b)]])
    ry = np.array([[np.cos(c), zero, np.sin(c)], [zero, one, zero], [-np.sin(c), zero, np.cos(c)]])
    rz = np.array([[np.cos(a), -np.sin(a), zero], [np.sin(a), np.cos(a), zero], [zero, zero, one]])
    return np.einsum("ijn,jkn,kln->nil", rz, ry, rx)


def scatter(collection, name, base, faces, places, turns, sizes, tints, material) -> bpy.types.Object:
    """Many copies of a small mesh merged into one object."""
    count, n = len(places), len(base)
    verts = np.einsum("nij,vj->nvi", turns, base) * sizes[:, None, None] + places[:, None]
    index = np.asarray(faces)[None] + (np.arange(count) * n)[:, None, None]
    colours = np.repeat(tints, n, axis=0)
    return mesh_object(
        collection, name, verts.reshape(-1, 3), index.reshape(-1, index.shape[2]), colours, material
    )


def leaf_shape(rows: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """A curled leaf about one unit long, lying in the XY plane."""
    along = np.linspace(0, 1, rows)
    width = 0.27 * np.sin(np.pi * along**0.8) + 0.01
    verts = [
        (u - 0.5, side * w, 0.18 * (abs(side) * w / 0.27) + 0.35 * (u - 0.5) ** 2)
        for u, w in zip(along, width, strict=True)
        for side in (-1, 0, 1)
    ]
    faces = [
        (3 * i + j, 3 * i + j + 1, 3 * i + j + 4, 3 * i + j + 3) for i in range(rows - 1) for j in range(2)
    ]
    return np.array(verts), np.array(faces)


def blade_shape() -> tuple[np.ndarray, np.ndarray]:
    """A bent blade of grass, one unit tall."""
    s = np.linspace(0, 1, 5)
    half = 0.022 * (1 - s**1.5) + 0.001
    rows = [(d * h, 0.55 * v**2, v * (1 - 0.2 * v)) for v, h in zip(s, half, strict=True) for d in (-1, 1)]
    return np.array(rows), np.array([(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(4)])


def tinted_material(name: str, roughness: float, translucency: float) -> bpy.types.Material:
    """Principled material coloured by the ``tint`` attribute with a little mottling."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader, output = nodes["Principled BSDF"], nodes["Material Output"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = 0.3
    tint = nodes.new("ShaderNodeAttribute")
    tint.attribute_name = "tint"
    coords, speckle = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeTexNoise")
    speckle.inputs["Scale"].default_value, speckle.inputs["Detail"].default_value = 9, 4
    ramp, scale = nodes.new("ShaderNodeMapRange"), nodes.new("ShaderNodeVectorMath")
    ramp.inputs["From Min"].default_value, ramp.inputs["From Max"].default_value = 0.3, 0.7
    ramp.inputs["To Min"].default_value, ramp.inputs["To Max"].default_value = 0.55, 1.35
    scale.operation = "SCALE"
    links.new(coords.outputs["Object"], speckle.inputs["Vector"])
    links.new(speckle.outputs[0], ramp.inputs["Value"])
    links.new(tint.outputs["Color"], scale.inputs[0])
    links.new(ramp.outputs["Result"], scale.inputs["Scale"])
    links.new(scale.outputs["Vector"], shader.inputs["Base Color"])
    bump = nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = 0.5, 0.05
    links.new(speckle.outputs[0], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    if translucency:
        through, mix = nodes.new("ShaderNodeBsdfTranslucent"), nodes.new("ShaderNodeMixShader")
        mix.inputs[0].default_value = translucency
        links.new(scale.outputs["Vector"], through.inputs["Color"])
        links.new(shader.outputs[0], mix.inputs[1])
        links.new(through.outputs[0], mix.inputs[2])
        links.new(mix.outputs[0], output.inputs["Surface"])
    return material


def add_ground(collection) -> None:
    """Terrain mesh coloured from bare soil to moss."""
    xs = np.linspace(-34, 34, 181)
    ys = np.concatenate([np.linspace(-12, 10, 110), np.linspace(10.3, 75, 70)])
    gx, gy = np.meshgrid(xs, ys)
    x, y = gx.ravel(), gy.ravel()
    z = ground_height(x, y) + 0.03 * lattice(x * 4, y * 4, 4) + 0.02 * lattice(x * 9, y * 9, 5)
    nx = len(xs)
    i = (np.arange(len(ys) - 1)[:, None] * nx + np.arange(nx - 1)[None]).ravel()
    moss = np.clip(0.5 + 1.3 * lattice(x / 2.4, y / 2.4, 6) + 0.5 * lattice(x, y, 7), 0, 1)[:, None]
    soil, green = np.array((0.10, 0.062, 0.036)), np.array((0.085, 0.11, 0.028))
    colours = soil * (1 - moss) + green * moss
    material = tinted_material("ground", 0.95, 0)
    quads = np.stack([i, i + 1, i + nx + 1, i + nx], axis=1)
    mesh_object(collection, "ground", np.stack([x, y, z], 1), quads, colours, material)
