"""Render the layers of the clip: the animal, its coverage, and the forest without the animal.

``coverage`` is what becomes the alpha: camera rays only, so that many samples are cheap.
``subject`` is the lit animal, with few samples and denoised; only its colour is used.
``background`` is the forest with the shadow of the animal, but not the animal itself.
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy
from bpy_extras.object_utils import world_to_camera_view

from . import animation
from .creature import build_creature
from .flora import build_forest
from .forest import ground_height

LAYERS = ("coverage", "subject", "background")


def _camera(collection: bpy.types.Collection) -> bpy.types.Object:
    """Long lens on the animal with a shallow depth of field, keyed on every frame."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width = 59, 36
    data.dof.use_dof = True
    # Units are ten times smaller than metres, so f/2.8 becomes 0.28.
    data.dof.aperture_fstop, data.dof.aperture_blades = 0.32, 7
    camera = bpy.data.objects.new("camera", data)
    collection.objects.link(camera)
    for frame in range(-2, animation.FRAMES + 3):
        place, target, focus = animation.camera_state(frame)
        camera.location = place
        camera.rotation_euler = (target - place).to_track_quat("-Z", "Y").to_euler()
        data.dof.focus_distance = focus
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
        data.dof.keyframe_insert("focus_distance", frame=frame)
    return camera


def build_scene(layer: str, size: tuple[int, int], samples: int, strands: int) -> bpy.types.Scene:
    """The whole scene, set up to render one of the layers.

    Before the animal the forest is a holdout: grass in front of it cuts into its alpha.  In the
    ``background`` layer the animal is invisible to the camera but still throws its shadow.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    forest = bpy.data.collections.new("forest")
    animal = bpy.data.collections.new("animal")
    scene.collection.children.link(forest)
    scene.collection.children.link(animal)
    build_forest(forest, layer)
    build_creature(animal, strands, lambda x, y: float(ground_height(x, y)))
    scene.camera = _camera(scene.collection)
    if layer == "background":
        for obj in animal.objects:
            obj.visible_camera = False
    else:
        for obj in forest.objects:
            obj.is_holdout = True

    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.render.fps = 24
    scene.render.film_transparent = layer != "background"
    scene.render.use_motion_blur = True
    scene.render.motion_blur_shutter = 0.5
    scene.render.use_persistent_data = False
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode = "RGB" if layer == "background" else "RGBA"
    scene.render.image_settings.color_depth = "32"
    scene.render.image_settings.exr_codec = "ZIP"
    cycles = scene.cycles
    cycles.device, cycles.samples = "CPU", samples
    cycles.use_adaptive_sampling = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 1, 2
    cycles.transmission_bounces, cycles.transparent_max_bounces = 4, 8
    cycles.sample_clamp_indirect = 4.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.use_denoising, cycles.denoiser = layer != "coverage", "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    scene.cycles_curves.shape = "RIBBONS"
    if layer == "background":
        cycles.max_bounces = 2
    if layer == "coverage":
        black = bpy.data.materials.new("black")
        black.use_nodes = True
        nodes = black.node_tree.nodes
        emission = nodes.new("ShaderNodeEmission")
        emission.inputs["Strength"].default_value = 0
        black.node_tree.links.new(emission.outputs[0], nodes["Material Output"].inputs["Surface"])
        scene.view_layers[0].material_override = black
        cycles.max_bounces = 0
    return scene


def _frame_animal(scene: bpy.types.Scene, margin: float = 0.11) -> None:
    """Restrict the render to a box around the animal: everything else has no coverage."""
    graph = bpy.context.evaluated_depsgraph_get()
    body = bpy.data.objects["body"].evaluated_get(graph)
    mesh = body.to_mesh()
    spots = [world_to_camera_view(scene, scene.camera, body.matrix_world @ v.co) for v in mesh.vertices]
    body.to_mesh_clear()
    box, render = [(p.x, p.y) for p in spots], scene.render
    render.use_border, render.use_crop_to_border = True, False
    render.border_min_x = max(0, min(x for x, _ in box) - margin)
    render.border_max_x = min(1, max(x for x, _ in box) + margin)
    render.border_min_y = max(0, min(y for _, y in box) - 1.5 * margin)
    render.border_max_y = min(1, max(y for _, y in box) + 1.5 * margin)


def render_layer(
    layer: str,
    folder: Path,
    frames: list[int],
    size: tuple[int, int],
    samples: int,
    strands: int,
) -> None:
    """Render the frames of one layer that are not in ``folder`` yet, as linear EXR files."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [f for f in frames if not (folder / f"{layer}.{f:04d}.exr").exists()]
    if not todo:
        return
    started = time.time()
    scene = build_scene(layer, size, samples, strands)
    print(f"{layer}: scene built in {time.time() - started:.1f} s", flush=True)
    for frame in todo:
        started = time.time()
        scene.frame_set(frame)
        if layer != "background":
            _frame_animal(scene)
        target = folder / f"{layer}.{frame:04d}.exr"
        partial = folder / f"{layer}.partial.exr"
        scene.render.filepath = str(partial)
        bpy.ops.render.render(write_still=True)
        partial.rename(target)
        print(f"{layer}: frame {frame} in {time.time() - started:.1f} s", flush=True)
