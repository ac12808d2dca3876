"""Fur: tens of thousands of hair curves grown on the skin, and the colours of the coat."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector, kdtree, noise

from .anatomy import NOSE_TIP, TAIL, Part, part_weights

POINTS = 5  # per strand
EYES = np.array([(1.79, 0.27, 2.27), (1.79, -0.27, 2.27)])
RUST, DARK = np.array((0.46, 0.17, 0.055)), np.array((0.13, 0.06, 0.03))
CREAM, GREY = np.array((0.80, 0.66, 0.48)), np.array((0.30, 0.22, 0.15))

# Per bone: hair length, lift off the skin, combing direction (creature space), density.
COMB: dict[str, tuple[float, float, tuple[float, float, float], float]] = {
    "hips": (0.31, 0.55, (-1, 0, -0.35), 1.0),
    "chest": (0.36, 0.55, (-0.8, 0, -0.6), 1.0),
    "head": (0.24, 0.55, (-1, 0, 0.1), 1.4),
    "ear": (0.17, 0.60, (-0.1, 0, 1), 1.5),
    "fore": (0.12, 0.25, (-0.2, 0, -1), 1.0),
    "hind": (0.15, 0.3, (-0.4, 0, -1), 1.0),
    "tail": (0.64, 0.95, (-0.5, 0, 0.7), 2.6),
}


def _unit(v: np.ndarray) -> np.ndarray:
    """Normalise rows."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _noise(points: np.ndarray, scale: float, offset: float = 0.0) -> np.ndarray:
    """Perlin noise in about -1..1 at every point."""
    shift = Vector((offset, 3.1 * offset, -offset))
    return np.array([noise.fractal(Vector(p) * scale + shift, 1.0, 2.0, 3) for p in points])


def _coat_colour(roots: np.ndarray, normals: np.ndarray, weight: dict, rng) -> np.ndarray:
    """Two-tone coat: mottled rust above, cream below and on cheeks, dark points."""
    mottle = np.clip(0.5 + 0.9 * _noise(roots, 2.3), 0, 1)[:, None]
    colour = RUST * (1 - 0.75 * mottle) + (0.75 * mottle) * DARK
    under = np.clip(-normals[:, 2] * 1.5 + 0.35 + 0.45 * _noise(roots, 3.0, 5.0), 0, 1)
    under *= np.clip((1.45 - roots[:, 2]) * 2.2, 0, 1) * (weight["hips"] + weight["chest"])
    bib = weight["chest"] * np.clip((roots[:, 0] - 0.75) * 2.5 + 0.3 * normals[:, 0], 0, 1)
    bib *= np.clip(0.4 + normals[:, 0] - 0.4 * normals[:, 2], 0, 1)
    cheek = weight["head"] * np.clip((2.03 - roots[:, 2]) * 5 + 0.3 * _noise(roots, 4), 0, 1)
    brow = (
        0.7
        * weight["head"]
        * np.exp(-((np.linalg.norm(roots[:, None] - EYES[None], axis=2).min(axis=1) / 0.2) ** 4))
    )
    inner = weight["ear"] * np.clip(normals[:, 0] * 2, 0, 1) * 0.8
    pale = np.clip(np.maximum.reduce([under, bib, cheek, brow, inner]), 0, 1)[:, None]
    colour = colour * (1 - pale) + pale * CREAM
    tail_along = np.clip((roots[:, 2] - TAIL[0][2]) / (TAIL[-1][2] - TAIL[0][2]), 0, 1)
    tip = weight["tail"] * np.clip((tail_along + 0.1 * _noise(roots, 5.0) - 0.62) * 5, 0, 1)
    colour = colour * (1 - tip[:, None]) + tip[:, None] * CREAM
    socks = (weight["fore"] + weight["hind"]) * np.clip((0.62 - roots[:, 2]) * 3, 0, 1)
    ears = weight["ear"] * np.clip((roots[:, 2] - 2.75) * 4, 0, 1)
    dark = (0.85 * np.clip(socks + ears * (normals[:, 0] < 0.2), 0, 1))[:, None]
    colour = colour * (1 - dark) + dark * DARK * 0.7
    salt = rng.random(len(roots))
    colour = np.where((salt < 0.06)[:, None], colour * 0.3 + 0.7 * CREAM * 0.8, colour)
    colour = np.where((salt > 0.86)[:, None], colour * 0.4 + 0.6 * GREY * 0.5, colour)
    return np.clip(colour * rng.normal(1, 0.14, (len(roots), 1)), 0.01, 0.95)


def _clump(strands: np.ndarray, roots: np.ndarray, every: int, amount: np.ndarray) -> np.ndarray:
    """Pull strands towards the nearest of a sparse set of guide strands, most at the tips."""
    guides = np.arange(0, len(roots), every)
    tree = kdtree.KDTree(len(guides))
    for i, g in enumerate(guides):
        tree.insert(roots[g], i)
    tree.balance()
    nearest = guides[[tree.find(r)[1] for r in roots]]
    s = np.linspace(0, 1, POINTS)[None, :, None] ** 1.4
    mix = amount[:, None, None] * s
    return strands * (1 - mix) + strands[nearest] * mix


def _read(collection, field: str, width: int, kind: type = np.float32) -> np.ndarray:
    """One property of every element of a mesh collection as rows of ``width`` values."""
    values = np.empty(len(collection) * width, kind)
    collection.foreach_get(field, values)
    return values.reshape(-1, width)


def _sow(skin: bpy.types.Mesh, parts: list[Part], kinds: list[str], count: int, rng) -> tuple:
    """Random hair roots on the skin: their positions, normals and UV coordinates."""
    verts = _read(skin.vertices, "co", 3)
    normals = _read(skin.vertices, "normal", 3)
    tris = _read(skin.polygons, "vertices", 3, np.int32)
    uv = _read(skin.uv_layers["UVMap"].uv, "vector", 2).reshape(-1, 3, 2)
    a, b, c = (verts[tris[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face_weights = part_weights((a + b + c) / 3, parts)
    area = area * (face_weights @ np.array([COMB[k][3] for k in kinds]))
    face = rng.choice(len(tris), count, p=area / area.sum())
    bary = rng.random((count, 2))
    bary = np.where(bary.sum(1, keepdims=True) > 1, 1 - bary, bary)
    bary = np.concatenate([1 - bary.sum(1, keepdims=True), bary], axis=1)
    return (
        np.einsum("nk,nkd->nd", bary, verts[tris[face]]),
        _unit(np.einsum("nk,nkd->nd", bary, normals[tris[face]])),
        np.einsum("nk,nkd->nd", bary, uv[face]),
    )


def _comb(roots: np.ndarray, normals: np.ndarray, table: dict[str, np.ndarray]) -> tuple:
    """Mean length, lift and combing direction of the fur at every root."""
    mix = np.stack([table[k] for k in COMB], axis=1)
    length = mix @ np.array([v[0] for v in COMB.values()])
    lift = mix @ np.array([v[1] for v in COMB.values()])
    flow = mix @ np.array([v[2] for v in COMB.values()])
    # The tail's fur follows the tail; facial fur runs away from the nose and is short there.
    tail = np.array(TAIL)
    spot = np.abs(roots[:, None] - tail[None]).sum(2).argmin(1)
    tangent = _unit(np.gradient(tail, axis=0))[spot]
    flow += table["tail"][:, None] * (tangent - flow)
    from_nose = np.linalg.norm(roots - NOSE_TIP, axis=1)
    facial = table["head"][:, None]
    flow = flow * (1 - facial) + facial * _unit(roots - np.array(NOSE_TIP))
    shorten = np.clip((from_nose - 0.12) / 0.75, 0.12, 1)
    length *= 1 - table["head"] * (1 - shorten)
    eye = np.linalg.norm(roots[:, None] - EYES[None], axis=2).min(axis=1)
    length *= np.clip((eye - 0.10) / 0.2, 0.12, 1)
    length *= np.where(roots[:, 2] < 0.3, 0.55, 1)
    cheek_ruff = table["head"] * np.clip(1.7 - roots[:, 0], 0, 0.4) * (np.abs(normals[:, 1]) > 0.4)
    length *= 1 + 1.3 * cheek_ruff
    length *= 1 + 0.25 * _noise(roots, 3.5, 2.0)
    return length, lift, flow


def grow(skin: bpy.types.Mesh, parts: list[Part], count: int, seed: int = 7) -> dict:
    """Strand points, radii, colours and root UVs as arrays."""
    rng = np.random.default_rng(seed)
    kinds = [part.bone.split(".")[0].rstrip("0123456789") for part in parts]
    roots, normals, root_uv = _sow(skin, parts, kinds, count, rng)
    weights = part_weights(roots, parts)
    table = {k: weights[:, [i for i, x in enumerate(kinds) if x == k]].sum(1) for k in COMB}
    length, lift, flow = _comb(roots, normals, table)
    guard = rng.random(count) < 0.3  # long guard hairs over a shorter undercoat
    length *= np.where(guard, rng.uniform(0.8, 1.3, count), rng.uniform(0.4, 0.85, count))

    flow = _unit(flow - normals * np.sum(flow * normals, axis=1, keepdims=True))
    parting = np.stack([_noise(roots, 2.7, 11.0 + i) for i in range(3)], axis=1)
    flow = _unit(flow + 0.9 * parting + 0.18 * rng.normal(size=(count, 3)))
    start = _unit(normals * lift[:, None] + flow * 0.6 + 0.16 * rng.normal(size=(count, 3)))
    bend = 0.45 * flow + np.array((0, 0, -0.22))
    s = np.linspace(0, 1, POINTS)[None, :, None]
    shape = s * start[:, None] + s**2 * bend[:, None]
    frizz = rng.normal(size=(count, POINTS, 3)) * 0.035 + (
        0.07 * np.sin(s * rng.uniform(3, 9, (count, 1, 1)) + rng.uniform(0, 6, (count, 1, 3)))
    )
    shape = shape + frizz * s
    strands = roots[:, None] + length[:, None, None] * shape
    strands = _clump(strands, roots, 28, np.where(guard, 0.3, 0.6) * rng.random(count))
    strands[:, 0] = roots
    strands[:, :, 2] = np.maximum(strands[:, :, 2], 0.01)
    taper = 1 - 0.85 * np.linspace(0, 1, POINTS) ** 1.3
    thick = np.where(guard, 0.009, 0.0075) * rng.uniform(0.8, 1.2, count)
    colour = _coat_colour(roots, normals, table, rng)
    return {
        "position": strands.astype(np.float32),
        "radius": (thick[:, None] * taper).astype(np.float32),
        "colour": np.concatenate([colour, np.ones((count, 1))], axis=1).astype(np.float32),
        "uv": root_uv.astype(np.float32),
        "drag": (length[:, None] * np.linspace(0, 1, POINTS) ** 2).astype(np.float32),
    }


def _fur_material() -> bpy.types.Material:
    """Hair shader coloured per strand, darker at the root."""
    material = bpy.data.materials.new("fur")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    output = nodes.new("ShaderNodeOutputMaterial")
    hair = nodes.new("ShaderNodeBsdfHairPrincipled")
    hair.model, hair.parametrization = "CHIANG", "COLOR"
    hair.inputs["Roughness"].default_value = 0.42
    hair.inputs["Radial Roughness"].default_value = 0.6
    hair.inputs["Random Roughness"].default_value = 0.2
    colour = nodes.new("ShaderNodeAttribute")
    colour.attribute_name = "colour"
    info = nodes.new("ShaderNodeHairInfo")
    ramp = nodes.new("ShaderNodeMapRange")
    ramp.inputs["To Min"].default_value, ramp.inputs["To Max"].default_value = 0.5, 1.15
    scale = nodes.new("ShaderNodeVectorMath")
    scale.operation = "SCALE"
    links.new(info.outputs["Intercept"], ramp.inputs["Value"])
    links.new(colour.outputs["Color"], scale.inputs[0])
    links.new(ramp.outputs["Result"], scale.inputs["Scale"])
    links.new(scale.outputs["Vector"], hair.inputs["Color"])
    links.new(hair.outputs[0], output.inputs["Surface"])
    return material


def _deform_nodes() -> tuple[bpy.types.NodeTree, bpy.types.Node]:
    """Geometry nodes: ride on the moving skin, then trail behind; returns the drag vector node."""
    tree = bpy.data.node_groups.new("ride skin", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes, links = tree.nodes, tree.links
    source, sink = nodes.new("NodeGroupInput"), nodes.new("NodeGroupOutput")
    ride = nodes.new("GeometryNodeDeformCurvesOnSurface")
    move = nodes.new("GeometryNodeSetPosition")
    drag = nodes.new("FunctionNodeInputVector")
    amount = nodes.new("GeometryNodeInputNamedAttribute")
    amount.data_type = "FLOAT"
    amount.inputs["Name"].default_value = "drag"
    scale = nodes.new("ShaderNodeVectorMath")
    scale.operation = "SCALE"
    links.new(source.outputs[0], ride.inputs[0])
    links.new(ride.outputs[0], move.inputs["Geometry"])
    links.new(drag.outputs[0], scale.inputs[0])
    links.new(amount.outputs["Attribute"], scale.inputs["Scale"])
    links.new(scale.outputs[0], move.inputs["Offset"])
    links.new(move.outputs[0], sink.inputs[0])
    return tree, drag


def build_fur(
    body: bpy.types.Object, parts: list[Part], count: int
) -> tuple[bpy.types.Object, bpy.types.Node]:
    """The fur object on ``body`` and the node whose vector makes it lag behind."""
    data = grow(body.data, parts, count)
    curves = bpy.data.hair_curves.new("fur")
    curves.add_curves([POINTS] * count)
    curves.attributes["position"].data.foreach_set("vector", data["position"].ravel())
    for name, kind, domain, key, field in (
        ("radius", "FLOAT", "POINT", "radius", "value"),
        ("drag", "FLOAT", "POINT", "drag", "value"),
        ("colour", "FLOAT_COLOR", "CURVE", "colour", "color"),
        ("surface_uv_coordinate", "FLOAT2", "CURVE", "uv", "vector"),
    ):
        layer = curves.attributes.get(name) or curves.attributes.new(name, kind, domain)
        layer.data.foreach_set(field, data[key].ravel())
    curves.surface, curves.surface_uv_map = body, "UVMap"
    curves.materials.append(_fur_material())
    body.add_rest_position_attribute = True
    fur = bpy.data.objects.new("fur", curves)
    tree, drag = _deform_nodes()
    fur.modifiers.new("ride skin", "NODES").node_group = tree
    return fur, drag
