"""Take a file of weights that a user has into the folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from trackmatte.errors import OutputError, UsageError
from trackmatte.files import atomic, write_bytes
from trackmatte.weights import store
from trackmatte.weights.local import find, get, own
from trackmatte.weights.table import SUFFIXES, Family, Weights, matching

NOT_STATED = "not stated"
_IN_PACKAGE = "configs/"


def add(
    file: Path,
    *,
    name: str | None = None,
    config: str | None = None,
    licence: str | None = None,
    family: Family | None = None,
    overwrite: bool = False,
) -> Weights:
    """Copy a file into the weights folder and return what it is there.

    A file with the sum or the name of published weights becomes those. Adding the same bytes again only
    changes what is said about them.

    Parameters
    ----------
    name : what to call it; the file's name without its ending unless given.
    config : a YAML file, which is copied too, or a path inside the sam2 package, ``configs/...``.
    family : ``sam2`` when there is a config, else ``own``, unless given.
    overwrite : replace another file of that name.

    Raises
    ------
    UsageError : the file, name or config cannot be used.
    OutputError : it cannot be written, or another file of that name is there.
    """
    try:
        sha256 = store.hash_file(file)
    except OSError as e:
        raise UsageError(f"cannot read {file}: {e.strerror}; give a file of weights") from e
    published = _published(file, name, sha256)
    if published is None:
        return _add_own(file, sha256, name or file.stem, config, licence, family, overwrite=overwrite)
    if config or licence or family:
        raise UsageError(
            f"{file} is the published {published.name}, whose config and licence are known; leave them out"
        )
    _copy(file, store.folder() / published.file, sha256, overwrite=overwrite)
    store.remember(store.folder() / published.file, sha256, original=None if published.sha256 else sha256)
    return published


def _published(file: Path, name: str | None, sha256: str) -> Weights | None:
    for w in matching(sha256=sha256):
        return w
    for w in matching(name or file.name):
        if w.sha256 is None:
            return w
        raise UsageError(
            f"{file} is not the published {w.file} (its SHA-256 differs): download it again, "
            "or keep it as your own under another --name"
        )
    return None


def _add_own(
    file: Path,
    sha256: str,
    name: str,
    config: str | None,
    licence: str | None,
    family: Family | None,
    *,
    overwrite: bool,
) -> Weights:
    if not re.fullmatch(store.NAME_PATTERN, name):
        raise UsageError(f"{name!r} cannot be a name; give --name with letters, digits and . _ + - only")
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{file} is not a file of weights; these end in {', '.join(SUFFIXES)}")
    target = store.folder() / f"{name}{file.suffix.lower()}"
    for other in own():
        if other.name == name and other.file != target.name and find(other.file):
            raise OutputError(f"{store.folder() / other.file} has that name; choose another with --name")
    said = _said(target, name, config, licence, family)
    if config and "/" not in (said.config or "/"):
        _copy(Path(config), store.folder() / str(said.config), overwrite=overwrite)
    _copy(file, target, sha256, overwrite=overwrite)
    store.remember(target, sha256, original=sha256, own=said)
    return get(name)


def _said(
    target: Path, name: str, config: str | None, licence: str | None, family: Family | None
) -> store.OwnDoc:
    """Return what is known about an own file now: what is said, else what was said before."""
    record = store.read()[0].files.get(target.name)
    before = (record and record.own) or store.OwnDoc(name, "own", NOT_STATED)
    if config is None:
        path = before.config
    elif Path(config).is_file():
        path = f"{name}.yaml"
    elif config.startswith(_IN_PACKAGE):
        path = config
    else:
        raise UsageError(
            f"there is no config {config}; give a YAML file, or a path inside the sam2 package such as "
            "configs/sam2.1/sam2.1_hiera_t.yaml"
        )
    if family is None:
        family = "sam2" if before.family == "own" and path else before.family
    return store.OwnDoc(name, family, licence or before.licence, path)


def _copy(file: Path, target: Path, sha256: str | None = None, *, overwrite: bool) -> None:
    """Copy ``file`` to ``target``, whole or not at all, unless the same bytes are there."""
    with store.locked(target):
        if target.exists():
            if target.samefile(file) or store.hash_file(target) == (sha256 or store.hash_file(file)):
                return
            if not overwrite:
                raise OutputError(f"{target} is another file; choose another --name or add --overwrite")
        if sha256 is None:
            write_bytes(target, file.read_bytes())
            return
        with atomic(target) as temporary:
            shutil.copyfile(file, temporary)
