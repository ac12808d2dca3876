"""The animal as Blender objects: skin, bones, fur, eyes and nose, with its animation keyed."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import animation
from .anatomy import NOSE_TIP, Part, build_parts, build_skin, part_weights
from .fur import EYES, build_fur


def simple_material(name: str, colour: tuple[float, float, float], roughness: float):
    """A plain principled material."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    return material


def _armature(collection: bpy.types.Collection, parts: list[Part]) -> bpy.types.Object:
    """Unparented bones, one per part: the hierarchy lives in the animation functions."""
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for part in parts:
        bone = rig.data.edit_bones.new(part.bone)
        bone.head = part.pivot
        bone.tail = Vector(part.pivot) + Vector((0, 0.3, 0))
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def _bind(obj: bpy.types.Object, rig: bpy.types.Object, weights: dict[str, np.ndarray]) -> None:
    """Skin an object to the rig."""
    for bone, column in weights.items():
        group = obj.vertex_groups.new(name=bone)
        for index in np.flatnonzero(column):
            group.add([int(index)], float(column[index]), "REPLACE")
    obj.parent = rig
    obj.modifiers.new("armature", "ARMATURE").object = rig


def _ball(name: str, centre, radius: float, scale=(1, 1, 1)) -> bpy.types.Object:
    """A smooth sphere whose vertices are placed in creature space."""
    import bmesh

    mesh = bpy.data.meshes.new(name)
    builder = bmesh.new()
    matrix = Matrix.Translation(centre) @ Matrix.Diagonal((*scale, 1))
    bmesh.ops.create_uvsphere(builder, u_segments=24, v_segments=16, radius=radius, matrix=matrix)
    builder.to_mesh(mesh)
    builder.free()
    mesh.shade_smooth()
    return bpy.data.objects.new(name, mesh)


def build_creature(
    collection: bpy.types.Collection, strands: int, ground: Callable[[float, float], float]
) -> None:
    """Build and animate the whole animal inside ``collection``."""
    parts = build_parts()
    rig = _armature(collection, parts)
    body = bpy.data.objects.new("body", build_skin(parts))
    collection.objects.link(body)
    body.data.materials.append(simple_material("skin", (0.09, 0.045, 0.025), 0.8))
    coords = np.empty(len(body.data.vertices) * 3, np.float32)
    body.data.vertices.foreach_get("co", coords)
    weights = part_weights(coords.reshape(-1, 3), parts)
    fur, drag = build_fur(body, parts, strands)
    _bind(body, rig, {part.bone: weights[:, i] for i, part in enumerate(parts)})
    collection.objects.link(fur)
    fur.parent = rig
    eye, leather = (
        simple_material("eye", (0.012, 0.006, 0.004), 0.06),
        simple_material("leather", (0.02, 0.014, 0.013), 0.35),
    )
    details = [(_ball("eye", centre, 0.105), eye) for centre in EYES]
    details.append((_ball("nose", Vector(NOSE_TIP) + Vector((0.06, 0, 0)), 0.1, (0.8, 1, 0.75)), leather))
    for obj, material in details:
        obj.data.materials.append(material)
        collection.objects.link(obj)
        _bind(obj, rig, {"head": np.ones(len(obj.data.vertices))})
    _key_animation(rig, parts, drag, ground)


def _key_animation(rig, parts: list[Part], drag, ground) -> None:
    """Key the rig and the fur's drag on every frame, with a margin for motion blur."""
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
    previous: dict[str, object] = {}
    for frame in range(-2, animation.FRAMES + 3):
        x, y = animation.path(frame)
        rig.location = (x, y, ground(x, y))
        rig.rotation_euler = (0, 0, animation.heading(frame))
        rig.keyframe_insert("location", frame=frame)
        rig.keyframe_insert("rotation_euler", frame=frame)
        for part, (name, matrix) in _ordered(parts, animation.pose(frame, parts)):
            pivot = Matrix.Translation(part.pivot)
            location, rotation, scale = (pivot.inverted() @ matrix @ pivot).decompose()
            if name in previous:
                rotation.make_compatible(previous[name])
            previous[name] = rotation
            bone = rig.pose.bones[name]
            bone.location, bone.rotation_quaternion, bone.scale = location, rotation, scale
            for channel in ("location", "rotation_quaternion", "scale"):
                bone.keyframe_insert(channel, frame=frame)
        drag.vector = animation.fur_drag(frame)
        drag.keyframe_insert("vector", frame=frame)


def _ordered(parts: list[Part], pose: dict[str, Matrix]):
    """Pairs of part and (bone name, matrix) in part order."""
    return [(part, (part.bone, pose[part.bone])) for part in parts]
