"""One session of the plugin: a shot in the engine's cache folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any

from numpy.typing import NDArray

from trackmatte.color import REC709, SRGB, colour_named
from trackmatte.errors import ShotError, TrackmatteError, UsageError
from trackmatte.files import write_error
from trackmatte.server.engine import Engine
from trackmatte.server.ofx.messages import Colour, Open, Said
from trackmatte.server.ofx.picture import look_hash
from trackmatte.server.ofx.plates import Plates
from trackmatte.server.ofx.prompting import bring, gathered
from trackmatte.server.shots import OpenShot
from trackmatte.shot import Shot, document
from trackmatte.shot.document import PartDoc, ShotDoc
from trackmatte_client.protocol.messages import OpenShot as OpenRequest

SHOT_FILE = "session.shot.json"


class Session:
    """Frames, prompts and settings of one session; any thread may ask.

    The shot file is made anew whenever the clip or the settings changed; its cache stays, and what no longer
    fits is stale by hash. The shot is open in the engine like any other.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.path = folder / SHOT_FILE
        self.plates = Plates(folder / "plate")
        self._engine, self._folder = engine, folder
        self._lock = RLock()
        self._given: Open | None = None
        self._said: Said | None = None
        self._asked: tuple[str, str] | None = None
        self._made: int | None = None
        self._listing: int | None = None
        self._looks: tuple[str, dict[int, str]] = "", {}

    @property
    def opened(self) -> bool:
        """Whether it has settings."""
        return self._given is not None

    def open(self, given: Open) -> None:
        """Take settings; where they cannot be meant, the ones before stay.

        Raises
        ------
        UsageError : no such tracker or refiner, or the path is not absolute.
        ClipError : the clip cannot be opened.
        MissingPartError : the tracker needs what is not there.
        OutputError : the session's folder cannot be written.
        """
        if given.mode == "media" and ("\0" in given.path or not Path(given.path).is_absolute()):
            raise UsageError(
                f"{given.path!r} is not the absolute path of a clip; choose the file in Media path"
            )
        with self._lock:
            before = self._given
            if given != before:
                self._given, self._made = given, None
            try:
                self.sync(thorough=True)
            except BaseException:
                self._given, self._made = before, None
                raise

    def say(self, said: Said) -> None:
        """Take prompts in place of those before.

        Raises
        ------
        PromptError : they cannot be meant; those before stay.
        """
        wanted = gathered(said)
        with self._lock:
            before, self._said = self._said, said
            try:
                opened = self.sync()
                if opened is not None and said != before:
                    with opened.lock:
                        opened.edit(opened.revision, lambda shot: bring(shot, wanted))
            except BaseException:
                self._said = before
                raise

    def unmet(self, opened: OpenShot | None) -> list[int]:
        """Return the frames that something was said about and that the clip lacks."""
        said = self._said or Said()
        frames = {p.frame for p in said.points} | {b.frame for b in said.boxes}
        known = opened.shot.known if opened else ()
        return sorted(n for n in frames if n not in known)

    @property
    def said_anything(self) -> bool:
        """Whether the plugin has prompts."""
        return self._said is not None and bool(self._said.points or self._said.boxes)

    def sync(self, *, thorough: bool = False) -> OpenShot | None:
        """Return the shot as it is now; None where no frame was pushed yet.

        Parameters
        ----------
        thorough : look whether a clip on disk is still what it was.

        Raises
        ------
        ClipError : the clip cannot be opened any more.
        OutputError : the shot file cannot be written.
        """
        with self._lock:
            given, version = self._given, 0
            assert given is not None
            if given.mode == "push":
                if not self.plates.keys():
                    return None
                version = self.plates.version
            listing = _listing(given) if thorough else self._listing
            if (self._made, self._listing) == (version, listing) and self.path.exists():
                try:
                    opened = self._engine.shots.open(OpenRequest(str(self.path)))
                    with opened.lock:
                        opened.follow()
                        source, clip = opened.shot.doc.source, opened.shot.clip
                    if not thorough or given.mode == "push" or clip.identity() == source.identity:
                        return opened
                except (TrackmatteError, ValueError):  # the file or the clip changed: it is made anew
                    pass
            with self.plates.writing:  # no frame comes or goes while the clip is opened
                version = self.plates.version if given.mode == "push" else 0
                opened = self._engine.shots.take(self._make(given))
                self._made, self._listing = version, listing
            return opened

    def _make(self, given: Open) -> Shot:
        """Return the shot of the present clip, settings and prompts, saved."""
        old, asked = _load(self.path), (given.tracker, given.refiner)
        keep = old if self._asked in (None, asked) else None
        tracker = _part(given.tracker, keep.tracker if keep else None)
        refiner = _part(given.refiner, keep.refiner if keep else None)
        shot = Shot.new(
            self.path,
            self.plates.pattern if given.mode == "push" else Path(given.path),
            tracker=tracker.name,
            refiner=refiner.name,
            tracker_settings=tracker.settings,
            refiner_settings=refiner.settings,
            input_colorspace=_space(given.colour),
            growing=given.mode == "push",
        )
        try:
            if old is not None:
                self._carry_over(old, shot)
            if self._said is not None:
                bring(shot, gathered(self._said))
            self._make_folder()
            if given.mode == "media":  # a copy of the shot file works anywhere
                shot.doc.source.path = given.path
            shot.save(overwrite=True)
        except BaseException:
            shot.close()
            raise
        self._asked = asked
        return shot

    def _carry_over(self, old: ShotDoc, shot: Shot) -> None:
        """Keep what a session's shot file says beyond the plugin's settings."""
        doc, known = shot.doc, shot.known
        same_size = (old.source.width, old.source.height) == shot.clip.size
        doc.prompts.extend(p for p in old.prompts if p.frame in known and (same_size or p.mask is None))
        doc.locked, doc.steady = old.locked, old.steady
        doc.exclusive, doc.between = old.exclusive, old.between

    def take(self, key: int, read: Callable[[], NDArray[Any]]) -> bool:
        """Keep a frame that the plugin sent; return whether the same pixels were there already.

        Raises
        ------
        UsageError : the session's clip is a file, or no sequence can have this frame.
        OutputError : it cannot be written.
        """
        given = self._given
        if given is None or given.mode != "push":
            raise UsageError("this effect's clip is a file (mode media), so it takes no frames")
        self._make_folder()
        return self.plates.put(key, read())

    def _make_folder(self) -> None:
        """Make the session's folder and the one around it, for this user alone."""
        try:
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as e:
            raise write_error(self.path, e) from e

    def look(self, opened: OpenShot, key: int) -> str | None:
        """Return the look hash of a frame of the clip; None where it cannot be had."""
        if opened.shot.doc.growing:
            return self.plates.look(key)
        identity = opened.shot.doc.source.identity
        if self._looks[0] != identity:
            self._looks = identity, {}
        looks = self._looks[1]
        if key not in looks:
            try:
                frame = opened.images.frame_at(opened.shot.clip.numbers.index(key))
            except (OSError, ValueError):  # it cannot be read, or is not there
                return None
            looks[key] = look_hash(frame.display())
        return looks[key]


def _load(path: Path) -> ShotDoc | None:
    try:
        return document.load(path)
    except ShotError:
        return None


def _space(colour: Colour) -> str | None:
    """Return the colour space of the values of a clip; None = as its files say."""
    if colour == "auto":
        return None
    if colour == "display":
        return SRGB.name
    try:
        return colour_named(REC709).name
    except UsageError:  # a configuration of the user's own, whose linear light is that of its own space
        return "scene_linear"


def _listing(given: Open) -> int | None:
    """Return what changes when files are added beside those of a sequence on disk."""
    path = Path(given.path)
    try:
        if given.mode == "push" or path.is_file():
            return None
        return (path if path.is_dir() else path.parent).stat().st_mtime_ns
    except OSError:
        return None


def _part(name: str, old: PartDoc | None) -> PartDoc:
    """Return a tracker or refiner: the one named, else the one there was, else the engine's choice."""
    if old is not None and name in ("", old.name):
        return old
    return PartDoc(name or "auto", {})
