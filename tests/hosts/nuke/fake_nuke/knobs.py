"""Knobs: what they take, what they animate, how a script writes them. They refuse what they do not know."""

from __future__ import annotations

import re
from typing import Any

from . import curves, main_thread, tcl
from .state import state

STARTLINE, INVISIBLE = 0x1000, 0x2000  # other numbers than Nuke's, which are not documented
TO_SCRIPT, WRITE_NON_DEFAULT_ONLY, EXPRESSIONS = 1, 2, 4
KNOWN_FLAGS = (STARTLINE, INVISIBLE)


class Knob:
    """One knob; a subclass says what its values are."""

    number = 0
    """Of ``addUserKnob``; 0 = Nuke has it, users cannot add it."""

    def __init__(self, name: str, label: str | None = None) -> None:
        if not re.match(r"^[A-Za-z_][\w.]*$", name):
            raise ValueError(f"{name!r} is no name for a knob")
        self._name, self._label = name, name if label is None else label
        self._node: Any = None
        self._user = False
        self._flags = STARTLINE
        self._value: Any = self._first()
        self._default: Any = self._first()

    def _first(self) -> Any:
        return ""

    def _changed(self) -> None:
        main_thread.required(f"knob {self._name}")
        if self._node is not None:
            state().record(self._node)

    def Class(self) -> str:
        return type(self).__name__

    def name(self) -> str:
        return self._name

    def node(self) -> Any:
        return self._node

    def value(self) -> Any:
        main_thread.required(f"knob {self._name}")
        return self._value

    def getValue(self) -> Any:
        return self.value()

    def setValue(self, val: Any) -> bool:
        self._changed()
        self._value = self._check(val)
        return True

    def _check(self, value: Any) -> Any:
        raise TypeError(f"{self.Class()} {self._name} has no value to set: {value!r}")

    def setFlag(self, flag: int) -> None:
        if flag not in KNOWN_FLAGS:
            raise ValueError(f"flag {flag}")
        self._flags |= flag

    def clearFlag(self, flag: int) -> None:
        if flag not in KNOWN_FLAGS:
            raise ValueError(f"flag {flag}")
        self._flags &= ~flag

    def isAnimated(self) -> bool:
        return False

    def written(self) -> str | None:
        """Return the value as a script has it; None when it is as it was made."""
        return None if self._value == self._default else tcl.quoted(str(self._value))

    def restore(self, words: Any) -> None:
        """Take the value from a script."""
        self._value = self._check(tcl.plain(words))

    def declared(self) -> str:
        """Return the words of ``addUserKnob``."""
        label = "" if self._label == self._name else f" l {tcl.quoted(self._label)}"
        start = "" if self._flags & STARTLINE else " -STARTLINE"
        hidden = " +INVISIBLE" if self._flags & INVISIBLE else ""
        return f"{self.number} {self._name}{label}{start}{hidden}{self._more()}"

    def _more(self) -> str:
        return ""


class String_Knob(Knob):
    number = 1

    def __init__(self, name: str, label: str | None = None, value: str = "") -> None:
        super().__init__(name, label)
        self._value = value

    def _check(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError(f"{self._name} takes text, not {value!r}")
        return value


class File_Knob(String_Knob):
    number = 2

    def _check(self, value: Any) -> Any:
        if re.search(r"\\(?![\[\]])", super()._check(value)):
            raise ValueError(f"{self._name}: Nuke's paths have / on every system: {value}")
        return value

    def evaluate(self) -> str:
        """Return what it means on the present frame: no more than its expressions in the fake."""
        if "%" in self._value or "#" in self._value:
            raise NotImplementedError
        return state().tcl(str(self.value()))

    def getEvaluatedValue(self) -> str:
        return state().tcl(str(self.value()))


class Colorspace_Knob(String_Knob):
    """What files mean; ``default`` shows what that is for the file, as public pipeline code expects."""

    number = 0

    def value(self) -> str:
        found = super().value()
        if found != "default":
            return str(found)
        return "default (linear)" if self._node["file"].value().endswith(".exr") else "default (sRGB)"

    def _check(self, value: Any) -> Any:
        return "default" if super()._check(value).startswith("default (") else value


class PyScript_Knob(Knob):
    number = 22

    def __init__(self, name: str, label: str | None = None, command: str = "") -> None:
        super().__init__(name, label)
        self._value = self._default = command

    def _check(self, value: Any) -> Any:
        return str(value)

    def _more(self) -> str:
        return f" T {tcl.quoted(self._value)}"

    def execute(self) -> None:
        """Press the button."""
        main_thread.required("a button")
        with state().this(self._node):
            exec(self._value, {})


class Text_Knob(Knob):
    number = 26

    def __init__(self, name: str, label: str | None = None, value: str = "") -> None:
        super().__init__(name, label)
        self._value = self._default = value

    def _check(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError(f"{self._name} shows text, not {value!r}")
        return value

    def _more(self) -> str:
        return f" T {tcl.quoted(self._default)}" if self._default else ""


class Tab_Knob(Knob):
    number = 20


class Channel_Knob(Knob):
    """A channel, or a set of them."""

    def _check(self, value: Any) -> Any:
        if not isinstance(value, str) or not re.match(r"^-?[\w.]+$|^\{.*\}$", value):
            raise TypeError(f"{self._name} takes the name of a channel or layer, not {value!r}")
        return value


class Format_Knob(Knob):
    def value(self) -> Any:
        from . import media

        return media.format_of(self._node)

    def written(self) -> str | None:
        return None

    def restore(self, words: Any) -> None:
        self._value = words


class Array_Knob(Knob):
    """Numbers that may be animated."""

    size = 1
    whole = False

    def _first(self) -> Any:
        return [curves.Curve() for _ in range(self.size)]

    def _which(self, index: int) -> list[curves.Curve]:
        if not -1 <= index < self.size:
            raise IndexError(f"{self._name} has {self.size} channels, not {index}")
        curves_: list[curves.Curve] = self._value
        return curves_ if index == -1 else [curves_[index]]

    def _number(self, value: Any) -> float:
        if isinstance(value, str) or not isinstance(value, (int, float)):
            raise TypeError(f"{self._name} takes a number, not {value!r}")
        if self.whole and value != int(value):
            raise TypeError(f"{self._name} takes a whole number, not {value!r}")
        return float(value)

    def value(self, index: int = 0) -> Any:
        return self.getValueAt(state().frame, index)

    def getValue(self, channel: int = 0) -> Any:
        return self.getValueAt(state().frame, channel)

    def getValueAt(self, frame: float, index: int = 0) -> Any:
        main_thread.required(f"knob {self._name}")
        found = self._which(index)[0].at(frame)
        return int(found) if self.whole else found

    def setValue(self, val: Any, chan: int = -1) -> bool:
        self._changed()
        values = list(val) if isinstance(val, (list, tuple)) else [val] * len(self._which(chan))
        if len(values) != len(self._which(chan)):
            raise TypeError(f"{self._name} has {self.size} channels: {val!r}")
        for curve, v in zip(self._which(chan), values, strict=True):
            curve.set(self._number(v), state().frame)
        return True

    def setValueAt(self, val: Any, time: float, index: int = -1) -> bool:
        self._changed()
        for curve in self._which(index):
            if curve.animated:  # as in Nuke: a knob that is not animated takes the value on all frames
                curve.keys[float(time)] = self._number(val)
            else:
                curve.set(self._number(val), time)
        return True

    def setAnimated(self, channel: int = -1) -> bool:
        self._changed()
        for curve in self._which(channel):
            curve.animated = True
        return True

    def isAnimated(self, channel: int = -1) -> bool:
        return any(c.animated for c in self._which(channel))

    def getKeyList(self) -> list[float]:
        main_thread.required(f"knob {self._name}")
        return sorted({k for c in self._value for k in c.keys})

    def isKeyAt(self, frame: float, index: int = -1) -> bool:
        return any(float(frame) in c.keys for c in self._which(index))

    def removeKeyAt(self, frame: float, index: int = -1) -> bool:
        self._changed()
        found = [c.keys.pop(float(frame), None) for c in self._which(index)]
        return any(f is not None for f in found)

    def written(self) -> str | None:
        words = [c.written() for c in self._value]
        if words == [c.written() for c in self._default]:
            return None
        if len(set(words)) == 1 and not any(c.animated for c in self._value):
            return words[0]
        return "{" + " ".join(words) + "}"

    def restore(self, words: Any) -> None:
        self._value = curves.parse(words, self.size)


class Int_Knob(Array_Knob):
    number, whole = 3, True


class ColorChip_Knob(Int_Knob):
    number = 0

    def written(self) -> str | None:
        found = super().written()
        return found if found is None else f"0x{int(float(found)):x}"


class Double_Knob(Array_Knob):
    number = 7


class XY_Knob(Array_Knob):
    number, size = 12, 2


class WH_Knob(Array_Knob):
    number, size = 14, 2


class BBox_Knob(Array_Knob):
    number, size = 15, 4


class AColor_Knob(Array_Knob):
    number, size = 19, 4


class Boolean_Knob(Array_Knob):
    number = 6

    def value(self, index: int = 0) -> bool:
        return bool(super().value(index))

    def written(self) -> str | None:
        found = super().written()
        return found if found is None else {"0": "false", "1": "true"}.get(found, found)

    def restore(self, words: Any) -> None:
        super().restore({"true": "1", "false": "0"}.get(words, words))


class Enumeration_Knob(Array_Knob):
    number, whole = 4, True

    def __init__(self, name: str, label: str | None, items: list[str]) -> None:
        self._items = list(items)
        super().__init__(name, label)

    def values(self) -> list[str]:
        return list(self._items)

    def value(self, index: int = 0) -> Any:
        return self._items[int(super().value(index))]

    def _number(self, value: Any) -> float:
        if isinstance(value, str):
            if value not in self._items:
                raise TypeError(f"{self._name} knows {self._items}, not {value!r}")
            return float(self._items.index(value))
        if not 0 <= super()._number(value) < len(self._items):
            raise TypeError(f"{self._name} has {len(self._items)} items, not {value!r}")
        return float(value)

    def written(self) -> str | None:
        found = super().written()
        return found if found is None or self.isAnimated() else tcl.quoted(self._items[int(float(found))])

    def restore(self, words: Any) -> None:
        text = tcl.plain(words)
        if isinstance(text, str) and text in self._items:
            self._value = curves.parse(str(self._items.index(text)), 1)
        else:
            super().restore(words)

    def _more(self) -> str:
        return " M {" + " ".join(tcl.quoted(i) for i in self._items) + "}"
