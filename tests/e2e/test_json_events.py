"""Events and exit codes are those of docs/cli.md: its tables are read here, every line held against them."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import disc
from tests.e2e.test_cli import BOX, FAKE
from tests.weights_server import DATA, TINY, serving
from trackmatte import doctor, errors
from trackmatte.cli import app, main
from trackmatte.errors import DeviceError, TrackmatteError
from trackmatte.weights import table

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "int": (int,),
    "number": (int, float),
    "list": (list,),
    "bool": (bool,),
}
Capture = pytest.CaptureFixture[str]
Fields = dict[str, tuple[str, bool]]


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of the table whose head begins so."""
    lines = iter(PAGE.splitlines())
    next(line for line in lines if line.startswith(f"| {heading} "))
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def documented() -> dict[str, list[Fields]]:
    """Return event -> its forms, each a field -> (type, may be absent)."""
    found: dict[str, list[Fields]] = {}
    for names, text in rows("event"):
        fields = {
            n: (t, bool(q)) for n, t, q in re.findall(r"`(\w+)` (text|int|number|list|bool)\b(\?)?", text)
        }
        for name in re.findall(r"`(\w+)`", names.split(" of ")[0]):
            found.setdefault(name, []).append(fields)
    return found


EVENTS = documented()


def fits(event: dict[str, Any], fields: Fields) -> bool:
    """Whether an event has the fields of a form and no other."""
    given = {k: v for k, v in event.items() if k != "event"}
    if not set(given) <= set(fields):
        return False
    for name, (kind, optional) in fields.items():
        value = given.get(name)
        if value is None:
            if not optional:
                return False
        elif not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
            return False
    return True


def events(capfd: Capture, *words: object, code: int = 0) -> list[dict[str, Any]]:
    """Run a command with --json; every line must be a documented event, the last one says how it ended."""
    capfd.readouterr()
    assert main([*map(str, words), "--json"]) == code
    out, err = capfd.readouterr()
    assert err == ""
    found = [json.loads(line) for line in out.splitlines()]
    for event in found:
        assert any(fits(event, form) for form in EVENTS.get(event["event"], [])), event
    assert found[-1]["event"] == ("error" if code else "done")
    assert found[-1]["code"] == code
    assert not any(e["event"] in ("done", "error") for e in found[:-1])
    return found


def kinds(found: list[dict[str, Any]]) -> set[str]:
    return {e["event"] for e in found}


def test_the_table_is_understood() -> None:
    assert {"progress", "written", "done", "error", "finding"} <= set(EVENTS)
    assert len(EVENTS["progress"]) == len(EVENTS["written"]) == 2
    assert EVENTS["error"] == [{"message": ("text", False), "code": ("int", False)}]
    assert EVENTS["refiner"] == EVENTS["tracker"]
    assert not fits({"event": "done", "code": "0"}, EVENTS["done"][0])
    assert not fits({"event": "done"}, EVENTS["done"][0])
    assert not fits({"event": "done", "code": 0, "more": 1}, EVENTS["done"][0])


def test_the_table_names_the_events_of_the_source() -> None:
    source = "".join(f.read_text(encoding="utf-8") for f in Path(app.__file__).parent.glob("*.py"))
    sent = set(re.findall(r"""(?:event\(\s*|"event": )"(\w+)\"""", source))
    assert set(EVENTS) == sent | {"tracker", "refiner"}  # those two are sent under the part's name


def test_every_command_speaks_documented_events(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plates = disc.write_frames(tmp_path / "plates", 4, (64, 48))
    shot = tmp_path / "s" / "plate.shot.json"
    seen = kinds(events(capfd, "shot", "new", shot, plates, "--refiner", "none", "--steady", 1))
    seen |= kinds(events(capfd, "shot", "add", shot, *BOX, "--tracker", "fake", code=2))
    seen |= kinds(events(capfd, "matte", plates, *BOX, "--out", tmp_path / "o", *FAKE))
    shot = tmp_path / "o" / "plate.shot.json"
    seen |= kinds(events(capfd, "shot", "add", shot, "--frame", 1003, *BOX))
    for words in (
        ("track", shot),
        ("refine", shot),
        ("shot", "show", shot),
        ("shot", "lock", shot, "--frames", "1001-1002"),
        ("qc", shot),
        ("export", shot, "--out", tmp_path / "e"),
        ("export", shot, "--out", tmp_path / "e"),
        ("sheet", shot, "--out", tmp_path / "s.png", "--movie", tmp_path / "m.mp4"),
    ):
        seen |= kinds(events(capfd, *words))
    seen |= kinds(events(capfd, "export", shot, "--out", tmp_path / "e", "--depth", "float", code=6))
    seen |= kinds(events(capfd, "track", tmp_path / "gone.shot.json", code=5))
    monkeypatch.setattr(doctor, "SECTIONS", {"system": doctor.SECTIONS["system"]})
    seen |= kinds(events(capfd, "doctor"))
    expected = {
        "selected",
        "tracker",
        "progress",
        "changed",
        "written",
        "shot",
        "object",
        "doctor",
        "finding",
    }
    assert expected <= seen


def test_a_still_speaks_documented_events(tmp_path: Path, capfd: Capture) -> None:
    plates = disc.write_frames(tmp_path / "plates", 1, (64, 48))
    mask = disc.write_mask(tmp_path / "mask.png", 0, (64, 48))
    still = plates.parent / "plate.1001.png"
    found = events(capfd, "matte-still", still, "--mask", mask, "--out", tmp_path / "o", "--refiner", "none")
    assert kinds(found) == {"written", "done"}


def test_weights_speak_documented_events(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib
    from dataclasses import replace

    monkeypatch.setenv("TRACKMATTE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    small = {"size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
    known = tuple(replace(w, **small) if w.name == TINY else w for w in table.KNOWN)
    monkeypatch.setattr(table, "KNOWN", known)
    own = tmp_path / "own.pt"
    own.write_bytes(b"weights")
    with serving() as server:
        server.files = {f"{TINY}.pt": DATA}
        monkeypatch.setenv("TRACKMATTE_WEIGHTS_MIRROR", server.url)
        seen = kinds(events(capfd, "weights", "fetch", TINY))
    seen |= kinds(events(capfd, "weights", "add", own, "--family", "own", "--licence", "mine"))
    seen |= kinds(events(capfd, "weights", "path", TINY))
    seen |= kinds(events(capfd, "weights", "list"))
    seen |= kinds(events(capfd, "weights", "verify"))
    (tmp_path / "weights" / f"{TINY}.pt").write_bytes(b"damaged")
    seen |= kinds(events(capfd, "weights", "verify", TINY, code=7))
    assert seen == {"progress", "weights", "verified", "done", "error"}


# -- exit codes -----------------------------------------------------------------------------------------


def subclasses(cls: type[TrackmatteError]) -> Iterator[type[TrackmatteError]]:
    for each in cls.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from subclasses(each)


CODES = {int(cells[0]): cells[1] for cells in rows("code")}


def test_the_exit_codes_are_those_of_the_errors() -> None:
    assert set(CODES) == {0, 1, 130, 143} | {e.exit_code for e in subclasses(TrackmatteError)}
    for code in CODES:
        assert re.search(rf"\b{code} [a-z]", " ".join(app.EPILOGUE.split())), code


@pytest.mark.parametrize("how", [c for c in subclasses(TrackmatteError) if c is not errors.FrameError])
def test_every_error_ends_with_its_code(
    how: type[TrackmatteError], capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ends(monkeypatch, lambda: raises(how("it is so"))) == how.exit_code
    assert capfd.readouterr().err == "trackmatte: it is so\n"


def raises(error: BaseException) -> None:
    raise error


def ends(monkeypatch: pytest.MonkeyPatch, does: Callable[[], None], *words: str) -> int:
    """Return the exit code of a command that does this."""
    monkeypatch.setattr(app, "run_track", lambda *_a, **_k: does())
    monkeypatch.setattr(app.Shot, "open", lambda _path: app_shot())
    return main(["track", "x.shot.json", *words])


class app_shot:  # noqa: N801
    """As much of a shot as `track` needs here."""

    cache = type("Cache", (), {"space_check": True})

    def __enter__(self) -> app_shot:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_outside_of_a_pass(
    number: signal.Signals, code: int, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert ends(monkeypatch, lambda: signal.raise_signal(number)) == code
    assert "run the same command again" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_bug_is_an_event_and_a_traceback(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):  # the interpreter prints it and exits with 1
        ends(monkeypatch, lambda: raises(ZeroDivisionError("x")), "--json")
    last = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (last["event"], last["code"]) == ("error", 1)
    assert "ZeroDivisionError: x" in last["message"]


def test_a_device_error_is_an_event(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, lambda: raises(DeviceError("the GPU is full")), "--json") == 8
    assert json.loads(capfd.readouterr().out)["code"] == 8
