"""The shot: prompts, passes and cache of one clip, the only stateful object."""

from trackmatte.shot.delivering import Look
from trackmatte.shot.document import SUFFIX
from trackmatte.shot.shot import Shot
from trackmatte.shot.status import ObjectStatus

__all__ = ["SUFFIX", "Look", "ObjectStatus", "Shot"]
