"""Compositing: the subject over a blurred, replaced or graded background, in linear light."""

from trackmatte.comp.effects import Blur, Checker, Cutout, Effect, Grading, Layers, Replace
from trackmatte.comp.grade import Grade
from trackmatte.comp.run import composite
from trackmatte.comp.views import View

__all__ = [
    "Blur",
    "Checker",
    "Cutout",
    "Effect",
    "Grade",
    "Grading",
    "Layers",
    "Replace",
    "View",
    "composite",
]
