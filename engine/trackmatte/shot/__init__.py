"""The shot: prompts, passes and cache of one clip, the only stateful object."""

from trackmatte.shot.document import SUFFIX
from trackmatte.shot.shot import ObjectStatus, Shot

__all__ = ["SUFFIX", "ObjectStatus", "Shot"]
