"""Words of Nuke's scripts, written and read."""

from __future__ import annotations

import re
from typing import Any

_BARE = re.compile(r"^[A-Za-z0-9_./:%#@+*<>()=&|?!,'^~-]+$")
Words = Any
"""A word, or a list of words for what stood in braces."""


def quoted(text: str) -> str:
    """Return a text as one word of a script."""
    if _BARE.match(text) and "(" not in text:
        return text
    out = text.replace("\\", "\\\\").replace('"', '\\"').replace("[", "\\[").replace("]", "\\]")
    return '"' + out.replace("$", "\\$").replace("{", "\\{").replace("}", "\\}").replace("\n", "\\n") + '"'


def plain(words: Words) -> str:
    """Return a word; a list becomes what stood in the braces."""
    if isinstance(words, str):
        return words
    return "{" + " ".join(plain(w) for w in words) + "}"
