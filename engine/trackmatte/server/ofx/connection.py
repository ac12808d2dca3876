"""One plugin's connection: its requests, one after the other."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Semaphore
from typing import Any

import msgspec

from trackmatte import __version__
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.media.image import MOST_PIXELS
from trackmatte.server.engine import Engine
from trackmatte.server.ofx import messages as m
from trackmatte.server.ofx.mattes import find_matte, status_of
from trackmatte.server.ofx.memory import Memory, sealed
from trackmatte.server.ofx.messages import Kind
from trackmatte.server.ofx.picture import scaled
from trackmatte.server.ofx.runs import Runs
from trackmatte.server.ofx.session import Session
from trackmatte.server.ofx.sessions import Sessions
from trackmatte.server.ofx.wire import Gone, Line, Malformed, Message
from trackmatte.server.refusal import Refusal, error_of

GREETING = 5.0
"""Seconds that a plugin has for its first message."""
LONGEST_TEXT = 1000
"""Characters of a sentence for the user."""
Answer = tuple[Kind, msgspec.Struct]


@dataclass
class Shared:
    """What all connections share."""

    engine: Engine
    sessions: Sessions
    runs: Runs
    frames: Semaphore = field(default_factory=lambda: Semaphore(1))
    mattes: Semaphore = field(default_factory=lambda: Semaphore(2))
    """Pictures in hand at once, so that memory is bounded whatever plugins ask."""


class Connection:
    """Answers a plugin until it goes; runs in a thread of its own."""

    def __init__(self, line: Line, shared: Shared) -> None:
        self._line, self._shared = line, shared
        self._memory: Memory | None = None
        self._greeted = False
        self._answers: dict[Kind, Callable[[Any, Message], Answer]] = {
            Kind.SLOTS: self._slots,
            Kind.OPEN: self._open,
            Kind.PROMPTS: self._prompts,
            Kind.FRAME: self._frame,
            Kind.TRACK: self._run,
            Kind.REFINE: self._run,
            Kind.MATTE: self._matte,
            Kind.STATUS: self._status,
        }

    def serve(self) -> None:
        """Answer requests until the plugin goes, or says something that is none."""
        try:
            while self._next():
                pass
        except Malformed as e:
            self._say_why(e)
        except Gone:
            pass
        finally:
            self._forget_memory()
            self._line.close()

    def _say_why(self, problem: Malformed) -> None:
        with suppress(Gone):
            self._line.send(Kind.ERROR, m.Error("malformed", _short(str(problem))))

    def _next(self) -> bool:
        """Answer one request; return whether there may be more."""
        message = self._line.receive(None if self._greeted else GREETING)
        try:
            self._shared.engine.touch()
            if message.kind is Kind.BYE:
                return False
            if message.kind is Kind.CANCEL:  # it came too late
                return True
            if message.kind is Kind.HELLO:
                kind, body = self._hello(message.body)
            elif not self._greeted:
                raise Malformed("the first message must be HELLO")
            else:
                kind, body = self._answer(message)
            self._line.send(kind, body)
            return True
        finally:
            message.close()

    def _answer(self, message: Message) -> Answer:
        try:
            return self._answers[message.kind](message.body, message)
        except (Malformed, Gone):
            raise
        except Exception as e:
            error = error_of(e)
            return Kind.ERROR, m.Error(error.code, _short(error.message))

    def _hello(self, asked: Any) -> Answer:
        if asked.protocol != m.PROTOCOL:
            older = "plugin" if asked.protocol < m.PROTOCOL else "engine"
            return Kind.ERROR, m.Error(
                "version",
                f"the plugin speaks version {asked.protocol} and the engine version {m.PROTOCOL}; "
                f"update the {older}",
            )
        self._greeted = True
        return Kind.HELLO, m.Hi(m.PROTOCOL, __version__, os.getpid())

    def _slots(self, asked: m.Slots, message: Message) -> Answer:
        memory = Memory(_shared(asked, message))
        self._forget_memory()
        self._memory = memory
        message.close()
        return Kind.OK, m.Nothing()

    def _forget_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _open(self, asked: m.Open, _: Message) -> Answer:
        return self._state(self._shared.sessions.open(asked))

    def _prompts(self, asked: m.Prompts, _: Message) -> Answer:
        session = self._shared.sessions.get(asked.session)
        session.say(asked.prompts)
        return self._state(session)

    def _status(self, asked: m.About, _: Message) -> Answer:
        return self._state(self._shared.sessions.get(asked.session))

    def _state(self, session: Session) -> Answer:
        status = status_of(session)
        status.note = _short(status.note)
        return Kind.STATUS, status

    def _frame(self, asked: m.FrameSent, _: Message) -> Answer:
        memory = self._pixels(asked.pixels)
        session = self._shared.sessions.get(asked.session)
        with self._shared.frames:
            return Kind.OK, m.Known(session.take(asked.key, lambda: memory.read(asked.pixels)))

    def _matte(self, asked: m.Matte, _: Message) -> Answer:
        at, memory = asked.pixels, self._pixels(asked.pixels)
        if (at.depth, at.comps) != ("float", 1):
            raise Malformed("a matte is put as one component of depth float")
        session = self._shared.sessions.get(asked.session)
        with self._shared.mattes:
            put, plane = find_matte(
                session, asked.key, asked.hash, lambda opened: self._shared.runs.covers(opened, asked.key)
            )
            if plane is not None:
                for rows, part in scaled(plane, (at.w, at.h)):
                    memory.write(at, rows, part)
        put.note = _short(put.note)
        return Kind.OK, put

    def _pixels(self, at: m.Pixels) -> Memory:
        """Return the shared memory, in which a picture lies."""
        if self._memory is None:
            raise Refusal("usage", "no memory was sent; send SLOTS before pixels")
        self._memory.check(at)
        if at.w * at.h > MOST_PIXELS:
            raise UsageError(f"{at.w}x{at.h} pixels are too many; send the picture at a smaller size")
        return self._memory

    def _run(self, asked: m.Track | m.Refine, _: Message) -> Answer:
        session = self._shared.sessions.get(asked.session)
        kind, body = self._shared.runs.run(self._line, session, asked)
        if isinstance(body, m.Error):
            body.message = _short(body.message)
        else:
            body.note = _short(body.note)
        return kind, body


def _shared(asked: m.Slots, message: Message) -> mmap.mmap:
    if sys.platform == "win32":
        from trackmatte.server.ofx.windows import section

        return section(asked.name, asked.size)
    if sys.platform == "darwin":
        raise MissingPartError("this system has no sealed memory, so pixels cannot cross; use Linux")
    return sealed(message.fds[0], asked.size)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
