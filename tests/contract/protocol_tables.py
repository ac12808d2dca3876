"""The tables of docs/protocol.md, from the code.

python -m tests.contract.protocol_tables > tables.md     what belongs below the page's marker
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from types import ModuleType

from trackmatte_client.protocol import events, messages, prompts
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.operations import EXIT, OPERATIONS, SMALL, STATUS, Operation

CLICK = m.Prompt(1033, "hero", points=((0.52, 0.31, 0),))
STROKE = m.Scribble(((0.45, 0.2), (0.5, 0.2)), radius=0.01, mode="hair")
BOX = m.Prompt(1001, "hero", points=((0.48, 0.33, 1),), box=(0.3, 0.1, 0.7, 0.95), scribbles=(STROKE,))
EXAMPLES: dict[type | None, object] = {
    type(e): e
    for e in (
        m.CreateShot("/shots/hero.shot.json", "/plates/hero.####.exr", range=(1001, 1048)),
        m.OpenShot("/shots/hero.shot.json"),
        m.PutPrompt(1795395859097, BOX),
        m.AddPrompt(1795395859098, CLICK),
        m.RemovePrompt(1795395859099, 1033, "hero"),
        m.Preview(CLICK, width=640, viewer="panel"),
        m.EditObject(1795395859099, "hero"),
        m.LockFrames(1795395859099, "hero", (1001, 1012)),
        m.SetRange(1795395859099, (1005, 1040)),
        m.SetMethods(1795395859099, select="lazy", refiner="bayesian"),
        m.MakeLayers(1001, count=4),
        m.PickLayers(1795395859099, 1001, (1, 3), "hero"),
        m.Edit(1795395859099),
        m.TrackFrames(direction="forward"),
        m.MatteFrames(),
        m.ExportFrames("/deliveries/hero", preset="cutout", alpha="straight"),
    )
}
"""A request of each kind."""
MARKER = "<!-- Below: python -m tests.contract.protocol_tables -->\n"


def operation(o: Operation) -> str:
    """One operation."""
    lines = [f"### `{o.name}`", o.what, "", "| | |", "|---|---|", f"| route | `{o.method} {o.route}` |"]
    if o.query:
        said = ", ".join(
            f"`{q.rstrip('?')}`" + (" (may be left out)" if q.endswith("?") else "") for q in o.query
        )
        lines.append(f"| query | {said} |")
    if o.request is not None:
        most = f", at most {o.limit >> 20} MiB" if o.limit != SMALL else ""
        lines.append(f"| request | {link(o.request)}{most} |")
    lines.append(f"| reply | {o.reply if isinstance(o.reply, str) else link(o.reply)} |")
    if o.errors:
        lines.append(f"| errors | {', '.join(f'`{e}`' for e in o.errors)} |")
    if o.request in EXAMPLES:
        lines += ["", "```json", example(EXAMPLES[o.request]), "```"]
    return "\n".join(lines)


def example(message: object) -> str:
    """A message as JSON, without what may be left out."""
    return json.dumps(_given(message))


def _given(value: object) -> object:
    if dataclasses.is_dataclass(value):
        had = {f.name: (f, getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {n: _given(v) for n, (f, v) in had.items() if v not in (f.default, {})}
    return [_given(v) for v in value] if isinstance(value, tuple) else value


def link(message: type) -> str:
    """A reference to a message's table."""
    return f"[{message.__name__}](#{message.__name__.lower()})"


def message(cls: type, meanings: dict[str, str]) -> str:
    """One message."""
    lines = [f"### {cls.__name__}", inspect.getdoc(cls) or ""]
    fields = dataclasses.fields(cls)
    if fields:
        lines += ["", "| field | type | if left out | meaning |", "|---|---|---|---|"]
    for f in fields:
        kind = str(f.type).replace("|", "\\|")
        lines.append(
            f"| `{f.name}` | `{kind}` | {default(f)} | {meanings.get(f.name, '')} |".replace("  |", " |")
        )
    return "\n".join(lines)


def default(f: dataclasses.Field[object]) -> str:
    """What a field is when it is left out."""
    if f.default_factory is not dataclasses.MISSING:
        return f"`{f.default_factory()!r}`"
    return "" if f.default is dataclasses.MISSING else f"`{f.default!r}`"


def meanings(module: ModuleType) -> dict[str, dict[str, str]]:
    """The docstring of every field, by class."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        said = found.setdefault(node.name, {})
        for before, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
                value = after.value
                assert isinstance(before.target, ast.Name)
                assert isinstance(value, ast.Constant)
                said[before.target.id] = " ".join(str(value.value).replace("|", "\\|").split())
    return found


def classes(module: ModuleType) -> list[type]:
    """The messages that a module defines, in order."""
    return [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]


def errors() -> str:
    """All codes."""
    lines = ["| code | HTTP status | exit code of the command line |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{c}` | {s} | {EXIT.get(c, '-')} |" for c, s in STATUS.items())])


def tables() -> str:
    """Everything below the marker."""
    parts = ["## Errors", errors(), "## Operations", *(operation(o) for o in OPERATIONS.values())]
    for title, modules in (("## Messages", (prompts, messages)), ("## Events", (events,))):
        parts.append(title)
        for module in modules:
            said = meanings(module)
            parts += [message(c, said[c.__name__]) for c in classes(module)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(tables(), end="")
