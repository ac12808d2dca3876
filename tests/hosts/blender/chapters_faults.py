"""Engines that cannot be had, and what else goes wrong; runs inside Blender's Python."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bpy
from helpers import ADDON, BOX, addon, open_clip, refused


def buttons(said: dict[str, Any]) -> dict[str, Any]:
    """What Find and Test say, for every way in which an engine cannot be had."""
    ops, folder, run = bpy.ops.trackmatte, Path(said["folder"]), Path(said["run"])
    preferences = bpy.context.preferences.addons[ADDON].preferences
    real, path = os.environ.pop("TRACKMATTE_PYTHON"), os.environ["PATH"]
    found: dict[str, Any] = {}

    def both(name: str) -> None:
        found[f"find {name}"] = [refused(ops.find), preferences.said]
        found[f"test {name}"] = [refused(ops.test), preferences.said]

    def test(name: str, program: Path | str) -> None:
        preferences.python = str(program)
        found[f"test {name}"] = [refused(ops.test), preferences.said]

    os.environ["PATH"] = str(folder / "nothing")
    both("nothing")
    os.environ["TRACKMATTE_PYTHON"] = str(folder / "gone" / "python")
    both("gone")
    del os.environ["TRACKMATTE_PYTHON"]
    record = addon("trackmatte_client.protocol.places")
    record = record.data_folder() / record.INSTALL_FILE
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"python": str(folder / "old" / "python")}))
    both("recorded")
    record.unlink()
    os.environ["PATH"] = path
    plain = folder / "plain.txt"
    plain.write_text("no program")
    test("plain", plain)
    test("other python", sys.executable)
    test("ends", "/bin/false")
    (run / "engine.json").mkdir()
    test("unreadable", real)
    (run / "engine.json").rmdir()
    (run / "engine.json").write_text("{")
    test("junk", real)
    connect, engine = addon("trackmatte_client.connect"), addon("trackmatte_client.engine")
    stop, kept = engine.stop, engine.find_or_start
    stop(connect.connect())
    engine.find_or_start = lambda command: kept(command, timeout=0.5)
    test("silent", program(folder / "trackmatte-silent", "exec sleep 30"))
    engine.find_or_start = kept
    with _Engine(said, 99):
        test("newer", real)
    test("program", program(folder / "trackmatte", f'exec "{real}" -m trackmatte "$@"'))
    stop(connect.connect())
    os.environ["TRACKMATTE_PYTHON"] = real
    both("well")
    return found


def program(path: Path, line: str) -> Path:
    """Write a program of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def faults(said: dict[str, Any]) -> dict[str, Any]:
    """No clip, no prompt, no engine, an old engine, an engine that is killed."""
    ops, found = bpy.ops.trackmatte, {}
    found["no clip"] = refused(ops.track)
    clip = open_clip(said["clip"])
    clip.trackmatte.shot = ""
    found["no mask"] = refused(ops.add_mask)
    found["no marker"] = refused(ops.add_marker)
    found["empty box"] = refused(lambda: ops.add_box(box=(0.5, 0.5, 0.5, 0.9)))
    found["no mattes"] = refused(ops.check)
    found["not tracked"] = refused(ops.to_mask)
    found["no place"] = refused(lambda: ops.jump(index=3))
    preferences = bpy.context.preferences.addons[ADDON].preferences
    preferences.python = str(Path(said["folder"]) / "nowhere" / "python")
    found["absent"] = refused(ops.track)
    found["absent test"] = refused(ops.test)
    preferences.python = "C:\\Program Files\\Trackmatte\\python.exe"
    found["windows"] = refused(ops.track)
    preferences.python = ""
    with _Engine(said, 0):
        found["old"] = refused(ops.track)
        found["old test"] = refused(ops.test)
    found["find"] = sorted(ops.find())
    found["found"] = preferences.python
    found["test"] = sorted(ops.test())
    found["said"] = preferences.said
    found["no prompt"] = refused(ops.track)
    ops.add_box(box=BOX)
    killer = threading.Thread(target=_kill_at_work, args=(said,), daemon=True)
    killer.start()
    found["killed"] = refused(ops.track)
    killer.join(60)
    clip.trackmatte.use_range, clip.trackmatte.frame_in, clip.trackmatte.frame_out = True, 1, 2
    found["after"] = sorted(ops.track())
    engine = json.loads((Path(said["run"]) / "engine.json").read_text())["pid"]
    os.kill(engine, signal.SIGSTOP)
    found["frozen"] = refused(ops.track)
    os.kill(engine, signal.SIGCONT)
    found["thawed"] = sorted(ops.track())
    clip.trackmatte.frame_in = 5
    found["in out"] = refused(ops.track)
    clip.trackmatte.use_range = False
    stopper = threading.Thread(target=_stop_at_work, daemon=True)
    stopper.start()
    found["stopped"] = sorted(ops.track())
    found["stopped says"] = addon("ops_run").message["text"]
    stopper.join(60)
    return found


def _at_work() -> None:
    """Wait until the engine has finished a frame."""
    running = addon("ops_run").running
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any((r.work.progress() or ("", 0))[1] > 0 for r in running):
            return
        time.sleep(0.01)


def _kill_at_work(said: dict[str, Any]) -> None:
    _at_work()
    os.kill(json.loads((Path(said["run"]) / "engine.json").read_text())["pid"], signal.SIGKILL)


def _stop_at_work() -> None:
    _at_work()
    for begun in addon("ops_run").running:
        begun.work.stop()


class _Engine:
    """An engine that speaks another protocol."""

    def __init__(self, said: dict[str, Any], protocol: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"protocol": protocol, "engine": "0.0.1", "pid": os.getpid()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.file = Path(said["run"]) / "engine.json"

    def __enter__(self) -> None:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        port = self.server.server_address[1]
        self.file.write_text(json.dumps({"port": port, "token": "x", "pid": os.getpid()}))

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.file.unlink()
