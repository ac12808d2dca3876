"""Windows: a named pipe on which this user's OFX plugins come in, and the memory they share."""

from __future__ import annotations

import _winapi
import ctypes
import mmap
import sys
import time
from ctypes import wintypes
from threading import Lock

from trackmatte.server.ofx.wire import READ, Gone, Line, Malformed

assert sys.platform == "win32"  # nothing below is there elsewhere

PIPE = "\\\\.\\pipe\\trackmatte-ofx-"
SECTION = "Local\\trackmatte-ofx-"
AT_ONCE = 65536
"""Bytes of one read or write, and of the pipe's own memory each way."""
REJECT_REMOTE = 0x8
TOKEN_QUERY, TOKEN_USER = 0x8, 1
QUERY_LIMITED = 0x1000
SDDL_1 = 1
MAP_READ_WRITE = 0x2 | 0x4
COMMITTED, READ_WRITE = 0x1000, 0x04
LONGEST_NAME = 257
LONGEST_PATH = 1024

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
for function, result in (
    (kernel32.CreateEventW, wintypes.HANDLE),
    (kernel32.OpenFileMappingW, wintypes.HANDLE),
    (kernel32.VirtualQuery, ctypes.c_size_t),
):
    function.restype = result
kernel32.LocalFree.argtypes = (ctypes.c_void_p,)
kernel32.VirtualQuery.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
kernel32.K32GetMappedFileNameW.argtypes = (wintypes.HANDLE, ctypes.c_void_p, wintypes.LPWSTR, wintypes.DWORD)


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = (
        ("length", wintypes.DWORD),
        ("descriptor", ctypes.c_void_p),
        ("inherit", wintypes.BOOL),
    )


class Region(ctypes.Structure):
    """MEMORY_BASIC_INFORMATION."""

    _fields_ = (
        ("base", ctypes.c_void_p),
        ("allocation", ctypes.c_void_p),
        ("allocated_as", wintypes.DWORD),
        ("partition", wintypes.WORD),
        ("size", ctypes.c_size_t),
        ("state", wintypes.DWORD),
        ("protect", wintypes.DWORD),
        ("kind", wintypes.DWORD),
    )


def _must(fine: object) -> None:
    if not fine:
        raise ctypes.WinError(ctypes.get_last_error())


def user_of(process: int) -> str:
    """Return the security identifier of a process's user, as text.

    Raises
    ------
    OSError : the system does not tell.
    """
    token, size, text = wintypes.HANDLE(), wintypes.DWORD(), wintypes.LPWSTR()
    _must(advapi32.OpenProcessToken(wintypes.HANDLE(process), TOKEN_QUERY, ctypes.byref(token)))
    try:
        advapi32.GetTokenInformation(token, TOKEN_USER, None, 0, ctypes.byref(size))
        found = ctypes.create_string_buffer(max(size.value, ctypes.sizeof(ctypes.c_void_p)))
        _must(advapi32.GetTokenInformation(token, TOKEN_USER, found, size, ctypes.byref(size)))
        sid = ctypes.c_void_p.from_buffer(found)  # with a pointer to it the answer begins
        _must(advapi32.ConvertSidToStringSidW(sid, ctypes.byref(text)))
    finally:
        kernel32.CloseHandle(token)
    try:
        return str(text.value)
    finally:
        kernel32.LocalFree(ctypes.cast(text, ctypes.c_void_p))


def _is_same_user(pipe: int) -> bool:
    number = wintypes.DWORD()
    try:
        _must(kernel32.GetNamedPipeClientProcessId(wintypes.HANDLE(pipe), ctypes.byref(number)))
        process = _winapi.OpenProcess(QUERY_LIMITED, False, number.value)
        try:
            return user_of(process) == user_of(_winapi.GetCurrentProcess())
        finally:
            _winapi.CloseHandle(process)
    except OSError:
        return False


class PipeDoor:
    """The named pipe, closed to all others by its access list and to other machines.

    Raises
    ------
    OSError : it cannot be made, or another program has made it.
    """

    def __init__(self) -> None:
        user, size = ctypes.create_unicode_buffer(LONGEST_NAME), wintypes.DWORD(LONGEST_NAME)
        _must(advapi32.GetUserNameW(user, ctypes.byref(size)))
        self._name = PIPE + user.value
        self._descriptor = ctypes.c_void_p()
        alone = f"D:P(A;;GA;;;{user_of(_winapi.GetCurrentProcess())})"
        convert = advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
        _must(convert(alone, SDDL_1, ctypes.byref(self._descriptor), None))
        self._stop = int(kernel32.CreateEventW(None, True, False, None) or 0)
        _must(self._stop)
        self._next = self._make(_winapi.FILE_FLAG_FIRST_PIPE_INSTANCE)

    def _make(self, more: int = 0) -> int:
        """Make the end of the pipe to which the next plugin connects."""
        security = SecurityAttributes(ctypes.sizeof(SecurityAttributes), self._descriptor, False)
        return _winapi.CreateNamedPipe(
            self._name,
            _winapi.PIPE_ACCESS_DUPLEX | _winapi.FILE_FLAG_OVERLAPPED | more,
            REJECT_REMOTE,  # bytes, not messages
            _winapi.PIPE_UNLIMITED_INSTANCES,
            AT_ONCE,
            AT_ONCE,
            0,
            ctypes.addressof(security),
        )

    def accept(self) -> Line | None:
        """Wait for a plugin of this user's; None once the door is to be closed.

        Raises
        ------
        OSError : one could not come in.
        """
        while True:
            came = self._came()
            if came is None:
                return None
            if came and _is_same_user(self._next):
                line, self._next = PipeLine(self._next), self._make()
                return line
            kernel32.DisconnectNamedPipe(wintypes.HANDLE(self._next))

    def _came(self) -> bool | None:
        """Wait for the next plugin; False where it went at once, None where the door is to be closed."""
        try:
            connecting = _winapi.ConnectNamedPipe(self._next, overlapped=True)
        except BrokenPipeError:
            return False
        which = _winapi.WaitForMultipleObjects([self._stop, connecting.event], False, _winapi.INFINITE)
        if which != _winapi.WAIT_OBJECT_0:
            return connecting.GetOverlappedResult(True)[1] == 0
        connecting.cancel()
        return None

    def shut(self) -> None:
        """Let `accept` return None, from another thread."""
        kernel32.SetEvent(wintypes.HANDLE(self._stop))

    def close(self) -> None:
        """Give back what it holds; `accept` has returned."""
        _winapi.CloseHandle(self._next)
        _winapi.CloseHandle(self._stop)
        kernel32.LocalFree(self._descriptor)


class PipeLine(Line):
    """One plugin's end of the named pipe. A read is always under way, and its bytes wait here."""

    brings_descriptors = False

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._open = True
        self._guard = Lock()
        self._reading: _winapi.Overlapped | None = None
        self._have = bytearray()
        self._over = False
        self.req = 0

    def _poll(self, what: int, seconds: float | None) -> int:
        if what != READ:
            return what  # a write waits by itself
        if self._have or self._over:
            return READ
        try:
            if self._reading is None:
                self._reading, _ = _winapi.ReadFile(self._pipe, AT_ONCE, overlapped=True)
            if not _ended(self._reading, seconds):
                return 0
            done, self._reading = self._reading, None
            count, _ = done.GetOverlappedResult(True)
            self._have += (done.getbuffer() or b"")[:count]
            self._over = not count
        except OSError:
            self._over, self._reading = True, None
        return READ

    def _some(self, count: int) -> tuple[bytes | None, list[tuple[int, int, bytes]], int]:
        if not self._poll(READ, 0):
            return None, [], 0
        part = bytes(self._have[:count])
        del self._have[:count]
        return part, [], 0

    def _put(self, data: memoryview, end: float) -> int:
        try:
            writing, _ = _winapi.WriteFile(self._pipe, bytes(data[:AT_ONCE]), overlapped=True)
            fine = _ended(writing, end - time.monotonic())
            if not fine:
                writing.cancel()
            count, _ = writing.GetOverlappedResult(True)
        except OSError as e:
            raise Gone(str(e)) from None
        if not fine or not count:
            raise Gone("it takes no answer")
        return count

    def hang_up(self) -> None:
        """End the connection from another thread: the one that serves it finds the other end gone."""
        with self._guard:
            if self._open:
                kernel32.DisconnectNamedPipe(wintypes.HANDLE(self._pipe))

    def close(self) -> None:
        """Close the connection."""
        with self._guard:
            if not self._open:
                return
            self._open = False
            self._over = True
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None
            _winapi.CloseHandle(self._pipe)


def _ended(work: _winapi.Overlapped, seconds: float | None) -> bool:
    """Wait for a read or a write; return whether it has ended."""
    ms = _winapi.INFINITE if seconds is None else int(max(0.0, seconds) * 1000)
    return _winapi.WaitForMultipleObjects([work.event], False, ms) == _winapi.WAIT_OBJECT_0


def section(name: str, size: int) -> mmap.mmap:
    """Return a plugin's section of memory, mapped; a section never changes its size.

    Raises
    ------
    Malformed : there is none of this size, or what is there could go away.
    """
    there = kernel32.OpenFileMappingW(MAP_READ_WRITE, False, SECTION + name)
    if not name or not there:
        raise Malformed("there is no memory of this name")
    try:
        view = mmap.mmap(-1, size, SECTION + name)
    except (OSError, ValueError) as e:
        raise Malformed(f"the memory cannot be shared ({e})") from None
    finally:
        kernel32.CloseHandle(wintypes.HANDLE(there))
    if not _stays(view, size):
        view.close()
        raise Malformed(f"the name is of no memory of {size} bytes")
    return view


def _stays(view: mmap.mmap, size: int) -> bool:
    """Whether all of it is memory for reading and writing, and none of it a file's."""
    region, path = Region(), ctypes.create_unicode_buffer(LONGEST_PATH)
    first = ctypes.c_char.from_buffer(view)
    at = ctypes.addressof(first)
    kernel32.VirtualQuery(at, ctypes.byref(region), ctypes.sizeof(region))
    named = kernel32.K32GetMappedFileNameW(_winapi.GetCurrentProcess(), at, path, LONGEST_PATH)
    del first
    return (region.state, region.protect) == (COMMITTED, READ_WRITE) and region.size >= size and not named
