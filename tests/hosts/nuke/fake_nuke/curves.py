"""Values over time, as knobs have them and scripts write them."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Curve:
    """One channel of a knob."""

    value: float = 0.0
    animated: bool = False
    keys: dict[float, float] = field(default_factory=dict)

    def at(self, frame: float) -> float:
        """Return the value: straight lines between keys, which is enough for tests of what lies on keys."""
        if not self.keys:
            return self.value
        times = sorted(self.keys)
        i = bisect.bisect_right(times, float(frame))
        if i == 0 or i == len(times):
            return self.keys[times[0 if i == 0 else -1]]
        a, b = times[i - 1], times[i]
        part = (float(frame) - a) / (b - a)
        return self.keys[a] * (1 - part) + self.keys[b] * part

    def set(self, value: float, frame: float) -> None:
        """Set the value: a key on this frame when it is animated."""
        if self.animated:
            self.keys[float(frame)] = value
        else:
            self.value = value

    def written(self) -> str:
        """Return it as a script has it."""
        if not self.animated:
            return _number(self.value)
        if not self.keys:
            return "{curve}"
        return "{curve " + " ".join(f"x{_number(t)} {_number(self.keys[t])}" for t in sorted(self.keys)) + "}"


def parse(words: Any, size: int) -> list[Curve]:
    """Return the channels in what a script says: a number, several, or curves."""
    if isinstance(words, str):
        return [Curve(_float(words)) for _ in range(size)]
    if len(words) != size:
        raise ValueError(f"{size} channels, not {words!r}")
    return [_one(w) for w in words]


def _one(word: Any) -> Curve:
    if isinstance(word, str):
        return Curve(_float(word))
    if not word or word[0] != "curve":
        raise ValueError(f"the fake knows curves and numbers, not {word!r}")
    keys: dict[float, float] = {}
    time = 0.0
    for item in word[1:]:
        if item[0] == "x":
            time = float(item[1:])
        else:
            keys[time] = float(item)
            time += 1
    return Curve(0.0, True, keys)


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)


def _float(word: str) -> float:
    return float(int(word, 16)) if word.startswith("0x") else float(word)
