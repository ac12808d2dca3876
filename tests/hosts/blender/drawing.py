"""A layout that draws nothing and checks everything: runs inside Blender, for the panels of the add-on."""

from __future__ import annotations

import types
from typing import Any

import bpy

FUNCTIONS = bpy.types.UILayout.bl_rna.functions
PROPERTIES = bpy.types.UILayout.bl_rna.properties


def operator_of(idname: str) -> Any:
    """Return the type of an operator; Blender itself draws nothing for an unknown one."""
    module, name = idname.split(".")
    try:
        return getattr(getattr(bpy.ops, module), name).get_rna_type()
    except KeyError:
        raise AssertionError(f"there is no operator {idname}") from None


class _Settings:
    """What `UILayout.operator` returns: the operator's properties."""

    def __init__(self, idname: str) -> None:
        object.__setattr__(self, "_type", operator_of(idname))

    def __setattr__(self, name: str, value: Any) -> None:
        found = self._type.properties.get(name)
        assert found is not None, f"{self._type.identifier} has no property {name}"
        if found.type == "ENUM":
            assert value in found.enum_items, f"{name} cannot be {value}"


class Layout:
    """Stands in for `UILayout`; ``drawn`` holds what was asked for."""

    def __init__(self, drawn: list[str]) -> None:
        object.__setattr__(self, "drawn", drawn)

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in PROPERTIES, f"UILayout has no property {name}"
        assert not PROPERTIES[name].is_readonly, name
        assert isinstance(value, bool), (name, value)

    def _check(self, function: str, given: dict[str, Any]) -> None:
        known = FUNCTIONS[function].parameters
        for name, value in given.items():
            assert name in known, f"UILayout.{function} knows no {name}"
            if name == "icon":
                assert value in known[name].enum_items, f"there is no icon {value}"

    def _inner(self, function: str, **given: Any) -> Layout:
        self._check(function, given)
        return Layout(self.drawn)

    def row(self, **given: Any) -> Layout:
        return self._inner("row", **given)

    def column(self, **given: Any) -> Layout:
        return self._inner("column", **given)

    def box(self) -> Layout:
        return self._inner("box")

    def split(self, **given: Any) -> Layout:
        return self._inner("split", **given)

    def label(self, **given: Any) -> None:
        self._check("label", given)
        self.drawn.append(str(given.get("text", "")))

    def prop(self, data: Any, name: str, **given: Any) -> None:
        self._check("prop", given)
        assert name in data.bl_rna.properties, f"{data.bl_rna.identifier} has no property {name}"
        self.drawn.append(f"prop {name}")

    def operator(self, idname: str, **given: Any) -> _Settings:
        self._check("operator", given)
        self.drawn.append(f"operator {idname} {given.get('text', '')}".strip())
        return _Settings(idname)

    def template_ID(self, data: Any, name: str, **given: Any) -> None:  # noqa: N802 (Blender's name)
        self._check("template_ID", given)
        assert data.bl_rna.properties[name].type == "POINTER", name
        for key in ("new", "open", "unlink"):
            if key in given:
                operator_of(given[key])
        self.drawn.append(f"choose {name}")

    def template_list(
        self, kind: str, _id: str, data: Any, items: str, active_data: Any, active: str, **given: Any
    ) -> None:
        self._check("template_list", given)
        drawer = getattr(bpy.types, kind)
        assert data.bl_rna.properties[items].type == "COLLECTION"
        assert active_data.bl_rna.properties[active].type == "INT"
        asked = drawer.draw_item.__code__.co_argcount
        for index, item in enumerate(getattr(data, items)):
            # Blender hands over as many as the function takes.
            given_all = (drawer, bpy.context, self, data, item, 0, active_data, active, index, 0)
            drawer.draw_item(*given_all[:asked])


def draw(kind: str) -> list[str]:
    """Draw a panel and return what it shows; None when it does not show itself."""
    panel, drawn = getattr(bpy.types, kind), []
    if hasattr(panel, "poll") and not panel.poll(bpy.context):
        return ["hidden"]
    assert panel.bl_space_type == "CLIP_EDITOR"
    assert panel.bl_category == "Trackmatte"
    stand_in = types.SimpleNamespace(layout=Layout(drawn))
    for name, value in vars(panel).items():
        if isinstance(value, types.FunctionType) and name != "draw":
            setattr(stand_in, name, types.MethodType(value, stand_in))
    panel.draw(stand_in, bpy.context)
    return drawn
