# SPDX-License-Identifier: GPL-3.0-or-later
"""The compositor set-ups: cut-out, blurred and replaced background; on Blender up to 4.5 and from 5.0.

Nodes are added, never replaced: an output that is connected already stays as it is, unless what it shows was
built here.

The blurred background has no halo, since the subject is taken out before the blur: plate x (1 - alpha) is
blurred together with its weight and divided by it, so that the subject's place is filled by its surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import bpy

Effect = Literal["CUTOUT", "BLUR", "REPLACE"]
MARK = "trackmatte"
TALL = 320
"""Height that a node is given room for; its own is known once it was drawn."""
NEW = bpy.app.version >= (5, 0, 0)


@dataclass(frozen=True)
class Plan:
    """What to build from."""

    effect: Effect
    clip: Any
    matte: Any
    """Image sequence."""
    premultiplied: bool
    """Whether it is a cut-out with colours of its own, not a matte."""
    user: tuple[int, int, int]
    """frame_start, frame_offset, frame_duration of the sequence."""
    blur: int = 24
    background: Any = None
    colour: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0)
    label: str = "Trackmatte"


def build(scene: Any, plan: Plan) -> tuple[Any, bool]:
    """Add a set-up to a scene's compositor; return its last node and whether the scene's output shows it."""
    tree = tree_of(scene)
    maker = _Maker(tree, plan.label)
    plate = maker.node("CompositorNodeMovieClip", 0, 0)
    plate.clip = plan.clip
    matte = maker.node("CompositorNodeImage", 0, -1)
    matte.image = plan.matte
    matte.frame_start, matte.frame_offset, matte.frame_duration = plan.user
    matte.use_auto_refresh = True
    subject = matte.outputs["Image"]
    if not plan.premultiplied:
        subject = maker.set_alpha(plate.outputs["Image"], matte.outputs["Alpha"], "apply", 3, 0)
    if plan.effect == "CUTOUT":
        last = subject
    else:
        behind = (
            _surroundings(maker, plate, matte, plan.blur)
            if plan.effect == "BLUR"
            else _replacement(maker, plan)
        )
        last = maker.over(behind, subject, 6, 0)
    return last.node, _show(tree, maker, last)


def _surroundings(maker: _Maker, plate: Any, matte: Any, size: int) -> Any:
    rest = maker.node("ShaderNodeMath" if NEW else "CompositorNodeMath", 1, -1)
    rest.operation = "SUBTRACT"
    rest.inputs[0].default_value = 1.0
    maker.link(matte.outputs["Alpha"], rest.inputs[1])
    holed = maker.set_alpha(plate.outputs["Image"], rest.outputs[0], "apply", 2, -1)
    blur = maker.node("CompositorNodeBlur", 3, -1)
    maker.blur(blur, size)
    maker.link(holed, blur.inputs["Image"])
    return maker.opaque(blur.outputs["Image"], 4, -1)


def _replacement(maker: _Maker, plan: Plan) -> Any:
    if plan.background is None:
        colour = maker.node("CompositorNodeRGB", 4, -1)
        colour.outputs[0].default_value = plan.colour
        return colour.outputs[0]
    picture = maker.node("CompositorNodeImage", 2, -1)
    picture.image = plan.background
    if plan.background.source == "SEQUENCE":
        picture.frame_duration = plan.user[2]
    fit = maker.node("CompositorNodeScale", 3, -1)
    if NEW:
        fit.inputs["Type"].default_value = "Render Size"
        fit.inputs["Frame Type"].default_value = "Crop"
    else:
        fit.space, fit.frame_method = "RENDER_SIZE", "CROP"
    maker.link(picture.outputs["Image"], fit.inputs["Image"])
    # An enlarged picture fades to nothing in its outermost pixels.
    return maker.opaque(fit.outputs["Image"], 4, -1)


class _Maker:
    """Adds nodes below what a tree has, inside a frame of their own."""

    def __init__(self, tree: Any, label: str) -> None:
        self.tree = tree
        others = (n for n in tree.nodes if n.bl_idname != "NodeFrame")  # a frame's size is known once drawn
        self.top = min((_height(n) - TALL for n in others), default=250) - 100
        self.frame = tree.nodes.new("NodeFrame")
        self.frame.label = label
        self.frame[MARK] = True

    def node(self, kind: str, column: int, row: int) -> Any:
        """Add a node at a place of the set-up's grid."""
        new = self.tree.nodes.new(kind)
        new.parent = self.frame
        new.location = (column * 220, self.top + row * TALL)
        new[MARK] = True
        return new

    def link(self, output: Any, into: Any) -> None:
        """Connect two sockets."""
        self.tree.links.new(output, into)

    def set_alpha(
        self, image: Any, alpha: Any, how: Literal["apply", "replace"], column: int, row: int
    ) -> Any:
        """Multiply a picture by an alpha, or give it one (1 when None)."""
        node = self.node("CompositorNodeSetAlpha", column, row)
        if NEW:
            node.inputs["Type"].default_value = "Apply Mask" if how == "apply" else "Replace Alpha"
        else:
            node.mode = "APPLY" if how == "apply" else "REPLACE_ALPHA"
        self.link(image, node.inputs["Image"])
        if alpha is not None:
            self.link(alpha, node.inputs["Alpha"])
        return node.outputs["Image"]

    def opaque(self, image: Any, column: int, row: int) -> Any:
        """Divide a premultiplied picture by its alpha and make it opaque; takes two columns."""
        node = self.node("CompositorNodePremulKey", column, row)
        if NEW:
            node.inputs["Type"].default_value = "To Straight"
        else:
            node.mapping = "PREMUL_TO_STRAIGHT"
        self.link(image, node.inputs["Image"])
        return self.set_alpha(node.outputs["Image"], None, "replace", column + 1, row)

    def blur(self, node: Any, size: int) -> None:
        """Set a Gaussian's size in pixels."""
        if "Size" in node.inputs and node.inputs["Size"].type == "VECTOR":
            node.inputs["Size"].default_value[0] = node.inputs["Size"].default_value[1] = size
        else:
            node.size_x = node.size_y = size
        if NEW:
            node.inputs["Type"].default_value = "Gaussian"
        else:
            node.filter_type = "GAUSS"

    def over(self, behind: Any, subject: Any, column: int, row: int) -> Any:
        """Lay a premultiplied picture over another."""
        node = self.node("CompositorNodeAlphaOver", column, row)
        first, second = ("Background", "Foreground") if NEW else (1, 2)
        self.link(behind, node.inputs[first])
        self.link(subject, node.inputs[second])
        return node.outputs["Image"]


def _height(node: Any) -> float:
    """Return how high in the tree a node lies; one in a frame lies relative to that."""
    return float(node.location.y) + (_height(node.parent) if node.parent else 0.0)


def tree_of(scene: Any) -> Any:
    """Return the scene's compositor tree; a new one is empty."""
    if NEW:
        if scene.compositing_node_group is None:
            name = f"{scene.name} Compositing"
            scene.compositing_node_group = bpy.data.node_groups.new(name, "CompositorNodeTree")
        return scene.compositing_node_group
    if scene.node_tree is None:
        scene.use_nodes = True
        scene.node_tree.nodes.clear()
    return scene.node_tree


def _show(tree: Any, maker: _Maker, last: Any) -> bool:
    """Connect a set-up to the scene's output unless that shows the artist's own work."""
    into = output_of(tree, maker.top)
    if into.is_linked and not into.links[0].from_node.get(MARK):
        return False
    maker.link(last, into)
    return True


def output_of(tree: Any, top: float = 0) -> Any:
    """Return the socket that the scene renders, made when there is none."""
    kind = "NodeGroupOutput" if NEW else "CompositorNodeComposite"
    outputs = [n for n in tree.nodes if n.bl_idname == kind]
    active = [n for n in outputs if not NEW or n.is_active_output]
    if NEW:
        interface = tree.interface
        sockets = [s for s in interface.items_tree if s.item_type == "SOCKET" and s.in_out == "OUTPUT"]
        if not sockets:
            interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    node = (active or outputs or [None])[0]
    if node is None:
        node = tree.nodes.new(kind)
        node.location = (7 * 220 + 60, top)
    return node.inputs[0]
