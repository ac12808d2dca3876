"""Inclusive spans of source frame numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def in_spans(spans: Iterable[tuple[int, int]], every: Sequence[int]) -> set[int]:
    """Return those of the clip's numbers that lie in a span."""
    return {n for first, last in spans for n in every if first <= n <= last}


def join_spans(numbers: set[int], every: Sequence[int]) -> list[tuple[int, int]]:
    """Return the spans of ``numbers``; a number that the clip lacks does not split a span.

    Parameters
    ----------
    every : the clip's numbers, ascending.
    """
    spans: list[tuple[int, int]] = []
    joined = False
    for n in every:
        if n not in numbers:
            joined = False
        elif joined:
            spans[-1] = (spans[-1][0], n)
        else:
            spans.append((n, n))
            joined = True
    return spans
