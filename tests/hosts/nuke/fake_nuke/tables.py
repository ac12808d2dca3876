"""What nodes Nuke has and which knobs they have, as far as it is known, and how it is known.

Evidence, the word before each list of knobs:

``seen``      in .nk and .gizmo files that Nuke itself wrote: 511 public ones (NukeSurvivalToolkit,
              WuLiFang), counted; a Read's ``frame_mode`` and ``raw`` in a script of Nuke 11 in a public note
``docs``      in Foundry's public documentation, or set by public pipeline code that runs inside Nuke
``believed``  neither; the documents say so, and the self-test looks at it in a real Nuke

A knob is ``NAME:KIND`` or ``NAME:KIND=DEFAULT``. Kinds: str, file, int, float, bool, xy, wh, box, rgba (one
or four numbers), chan (one channel), mask (a set of channels), enum(a|b), format, chip (a colour of the node
graph), space (a colour space).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

COMMON = """
seen: name:str xpos:int=0 ypos:int=0 label:str tile_color:chip=0 gl_color:chip=0 note_font:str
seen: note_font_size:int=11
seen: note_font_color:chip=0 selected:bool=0 hide_input:bool=0 disable:bool=0 onCreate:str knobChanged:str
seen: help:str
seen: postage_stamp:bool=0
docs: onDestroy:str updateUI:str autolabel:str panel:bool=0 icon:str cached:bool=0 dope_sheet:bool=0
docs: bookmark:bool=0 postage_stamp_frame:int=1 lifetimeStart:int=0 lifetimeEnd:int=0 useLifetime:bool=0
docs: indicators:int=0 process_mask:bool=0 rootNodeUpdated:str
"""
"""What every node has, whose names are therefore taken; the last three lines from lists of knobs to be
left out, in public tools for Nuke."""
MASKED = """
seen: maskChannelInput:chan=none maskChannelMask:chan=none inject:bool=0 invert_mask:bool=0 fringe:bool=0
seen: mix:float=1
"""
_MERGE = (
    "over|atop|average|color-burn|color-dodge|conjoint-over|copy|difference|disjoint-over|divide|exclusion|"
)
_MERGE += "from|geometric|hard-light|hypot|in|mask|matte|max|min|minus|multiply|out|overlay|plus|screen|"
_MERGE += "soft-light|stencil|under|xor"
_ENDS = "hold|loop|bounce|black"

CLASSES = f"""
Root 0
seen: format:format frame:int=1 first_frame:int=1 last_frame:int=100 proxy_type:enum(format|scale)
seen: proxy_format:format fps:float=24 project_directory:file
docs: proxy:bool=0
Read 0
seen: file:file file_type:str first:int=1 last:int=1 origfirst:int=1 origlast:int=1 origset:bool=0
seen: format:format
seen: frame:str proxy:file proxy_format:format colorspace:space=default premultiplied:bool=0 version:int=0
seen: frame_mode:enum(expression|start_at|offset) raw:bool=0
seen: on_error:enum(error|black|checkerboard|nearest_frame)
docs: before:enum({_ENDS}) after:enum({_ENDS})
Write 1
seen: channels:mask=rgb file:file file_type:str first:int=1 last:int=1 use_limit:bool=0
seen: colorspace:space=default
seen: proxy:file render_order:float=1 create_directories:bool=0 beforeRender:str afterRender:str
Copy 2+1
seen: from0:chan=none to0:chan=none from1:chan=none to1:chan=none from2:chan=none to2:chan=none
seen: from3:chan=none
seen: to3:chan=none channels:mask=none bbox:enum(union|A|B)
{MASKED}
Merge2 2+1
seen: operation:enum({_MERGE}) bbox:enum(union|intersection|A|B) Achannels:mask=rgba Bchannels:mask=rgba
seen: output:mask=rgba also_merge:mask=none sRGB:bool=0 screen_alpha:bool=0 metainput:enum(B|A|All)
seen: rangeinput:enum(B|A|All)
{MASKED}
Blur 1+1
seen: channels:mask=all size:wh=0 filter:enum(gaussian|box|triangle|quadratic) quality:float=15 crop:bool=1
{MASKED}
ZDefocus2 1+2
seen: channels:mask=rgba z_channel:chan=depth.Z size:float=10 max_size:float=200 focal_point:xy
seen: center:float=0
seen: math:enum(far=0|near=0|depth|direct|1/z|-z) blur_dof:bool=1 autoLayerSpacing:bool=1 layers:int=50
seen: legacy_resize_mode:bool=0 show_legacy_resize_mode:bool=0 filter_type:enum(disc|bladed|image)
seen: aspect:float=1
{MASKED}
Premult 1
seen: channels:mask=rgb alpha:chan=rgba.alpha invert:bool=0
Unpremult 1
seen: channels:mask=rgb alpha:chan=rgba.alpha invert:bool=0
Invert 1+1
seen: channels:mask=all clamp:bool=0
{MASKED}
Dilate 1+1
seen: channels:mask=all size:wh=0
{MASKED}
Clamp 1+1
seen: channels:mask=all minimum:float=0 minimum_enable:bool=1 maximum:float=1 maximum_enable:bool=1
seen: MinClampTo:float=0 MinClampTo_enable:bool=0 MaxClampTo:float=1 MaxClampTo_enable:bool=0
{MASKED}
Expression 1+1
seen: expr0:str expr1:str expr2:str expr3:str channel0:mask=red channel1:mask=green channel2:mask=blue
seen: channel3:mask=alpha temp_name0:str temp_expr0:str temp_name1:str temp_expr1:str
{MASKED}
AddChannels 1
seen: channels:mask=none color:rgba=0 format_size:bool=0
Grade 1+1
seen: channels:mask=rgb white:rgba=1 black:rgba=0 multiply:rgba=1 add:rgba=0 gamma:rgba=1
{MASKED}
Multiply 1+1
seen: channels:mask=all value:rgba=1
{MASKED}
Constant 0
seen: channels:mask=rgb color:rgba=0 format:format first:int=1 last:int=1
TimeOffset 1
seen: time_offset:int=0 time:str
believed: reverse_input:bool=0
Retime 1
seen: speed:float=1 input.first:int=1 input.last:int=1 output.first:int=1 output.last:int=1 time:str
TimeClip 1
docs: first:int=1 last:int=1
TimeWarp 1
AppendClip 2
Switch 2
FrameHold 1
seen: first_frame:int=1
FrameRange 1
seen: first_frame:int=1 last_frame:int=1 time:str
Reformat 1
seen: type:enum(to_format|to_box|scale) format:format scale:wh=1
seen: resize:enum(none|width|height|fit|fill|distort)
Dot 1
NoOp 1
Viewer 1
Group 1
Input 0
seen: number:int=0
Output 1
BackdropNode 0
seen: bdwidth:int=100 bdheight:int=100 z_order:int=0 bookmark:bool=1
"""

USER_KNOBS = {
    1: "String_Knob", 2: "File_Knob", 3: "Int_Knob", 4: "Enumeration_Knob", 6: "Boolean_Knob",
    7: "Double_Knob", 12: "XY_Knob", 15: "BBox_Knob", 20: "Tab_Knob", 22: "PyScript_Knob", 26: "Text_Knob",
}  # fmt: skip
"""Numbers of ``addUserKnob``; each seen in the same files, the rarest 21 times."""


@dataclass(frozen=True)
class Spec:
    """A knob of a class of nodes."""

    name: str
    kind: str
    default: Any
    choices: tuple[str, ...] = ()
    evidence: str = "seen"


@dataclass(frozen=True)
class NodeClass:
    """A class of nodes."""

    name: str
    inputs: int
    masks: int
    """Inputs beyond those, drawn at the side."""
    knobs: dict[str, Spec]


def _spec(text: str, evidence: str) -> Spec:
    name, _, rest = text.partition(":")
    found = re.match(r"^enum\((.*)\)$", rest)
    if found:
        choices = tuple(c.replace("_", " ") for c in found[1].split("|"))
        return Spec(name, "enum", 0, choices, evidence)
    kind, _, default = rest.partition("=")
    if kind in ("int", "bool", "chip"):
        return Spec(name, kind, int(default or 0), (), evidence)
    if kind in ("float", "wh", "rgba", "xy", "box"):
        return Spec(name, kind, float(default or 0), (), evidence)
    return Spec(name, kind, default, (), evidence)


def _parse(text: str) -> dict[str, NodeClass]:
    common = {s.name: s for s in _specs(COMMON.splitlines())}
    classes: dict[str, NodeClass] = {}
    lines: list[str] = []
    head = ""

    def finish() -> None:
        if head:
            name, inputs = head.split()
            plain, _, masks = inputs.partition("+")
            knobs = {**common, **{s.name: s for s in _specs(lines)}}
            classes[name] = NodeClass(name, int(plain), int(masks or 0), knobs)

    for line in filter(None, text.splitlines()):
        if ":" in line:
            lines.append(line)
        else:
            finish()
            head, lines = line, []
    finish()
    return classes


def _specs(lines: list[str]) -> list[Spec]:
    found = []
    for line in filter(None, lines):
        evidence, _, rest = line.partition(": ")
        found += [_spec(word, evidence) for word in rest.split()]
    return found


NODES = _parse(CLASSES)
