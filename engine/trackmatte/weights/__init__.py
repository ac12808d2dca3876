"""Model weights: which are known, which are here, and how a missing one is got.

Nothing is ever downloaded unless `fetch` is called. The folder is `folder`; ``weights.json`` in it holds what
was computed and what a user said about files of their own, and can be rebuilt from them.
"""

from trackmatte.weights.adding import add
from trackmatte.weights.download import Tell
from trackmatte.weights.fetching import MIRROR_VARIABLE, fetch
from trackmatte.weights.local import (
    Status,
    find,
    get,
    installed,
    known,
    notes,
    own,
    require,
    sha256,
    verify,
)
from trackmatte.weights.store import FOLDER_VARIABLE, folder
from trackmatte.weights.table import NOT_PUBLISHED, Family, Weights

__all__ = [
    "FOLDER_VARIABLE",
    "MIRROR_VARIABLE",
    "NOT_PUBLISHED",
    "Family",
    "Status",
    "Tell",
    "Weights",
    "add",
    "fetch",
    "find",
    "folder",
    "get",
    "installed",
    "known",
    "notes",
    "own",
    "require",
    "sha256",
    "verify",
]
