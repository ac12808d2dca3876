#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "sys.h"

#include <stdio.h>
#include <stdlib.h>

/* The user of a process, as a TOKEN_USER to be freed with free(). */
static TOKEN_USER *user_of(HANDLE process) {
  HANDLE token = NULL;
  DWORD size = 0;
  TOKEN_USER *user = NULL;
  if (!OpenProcessToken(process, TOKEN_QUERY, &token)) return NULL;
  GetTokenInformation(token, TokenUser, NULL, 0, &size);
  if (size) user = malloc(size);
  if (user && !GetTokenInformation(token, TokenUser, user, size, &size)) {
    free(user);
    user = NULL;
  }
  CloseHandle(token);
  return user;
}

static int is_own(HANDLE pipe) {
  ULONG id = 0;
  if (!GetNamedPipeServerProcessId(pipe, &id)) return 0;
  HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
  if (!process) return 0;
  TOKEN_USER *theirs = user_of(process), *mine = user_of(GetCurrentProcess());
  int same = theirs && mine && EqualSid(theirs->User.Sid, mine->User.Sid);
  free(theirs);
  free(mine);
  CloseHandle(process);
  return same;
}

SysResult line_open(SysHandle *line, const SysWait *wait) {
  wchar_t user[257], name[320];
  DWORD size = 257;
  *line = SYS_NO_HANDLE;
  if (!GetUserNameW(user, &size)) return SYS_FAILED;
  swprintf(name, sizeof name / sizeof *name, L"\\\\.\\pipe\\trackmatte-ofx-%ls", user);
  for (;;) {
    SysResult why = SYS_TIMEOUT;
    /* SQOS: a server that is not ours must not act in this user's name before it is looked at. */
    HANDLE pipe = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                              FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    if (pipe != INVALID_HANDLE_VALUE) {
      if (is_own(pipe)) return *line = pipe, SYS_OK;
      CloseHandle(pipe);
      return SYS_FOREIGN;
    }
    DWORD fault = GetLastError();
    if (fault == ERROR_FILE_NOT_FOUND) return SYS_ABSENT;
    if (fault == ERROR_ACCESS_DENIED) return SYS_FOREIGN;
    if (fault != ERROR_PIPE_BUSY) return SYS_FAILED;
    int ms = sys_left(wait, &why);
    if (!ms) return why;
    WaitNamedPipeW(name, (DWORD)ms);
  }
}

/* Wait for an operation that was begun; one that is called off has ended when this returns. */
static SysResult finish(HANDLE pipe, OVERLAPPED *work, const SysWait *wait, DWORD *done) {
  for (;;) {
    SysResult why = SYS_TIMEOUT;
    int ms = sys_left(wait, &why);
    if (ms && WaitForSingleObject(work->hEvent, (DWORD)ms) == WAIT_TIMEOUT) continue;
    if (!ms) CancelIoEx(pipe, work);
    BOOL fine = GetOverlappedResult(pipe, work, done, TRUE);
    if (!ms) return why;
    return fine && *done ? SYS_OK : SYS_CLOSED;
  }
}

static SysResult transfer(HANDLE pipe, char *data, size_t size, int writing, const SysWait *wait) {
  OVERLAPPED work = {0};
  SysResult r = SYS_OK;
  work.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (!work.hEvent) return SYS_FAILED;
  while (size && r == SYS_OK) {
    DWORD done = 0, most = size > 65536 ? 65536 : (DWORD)size;
    BOOL begun = writing ? WriteFile(pipe, data, most, NULL, &work) : ReadFile(pipe, data, most, NULL, &work);
    if (!begun && GetLastError() != ERROR_IO_PENDING)
      r = SYS_CLOSED;
    else
      r = finish(pipe, &work, wait, &done);
    data += done;
    size -= done;
    ResetEvent(work.hEvent);
  }
  CloseHandle(work.hEvent);
  return r;
}

SysResult line_send(SysHandle line, const void *data, size_t size, SysHandle along, const SysWait *wait) {
  (void)along;
  return transfer(line, (char *)(uintptr_t)data, size, 1, wait);
}

SysResult line_receive(SysHandle line, void *data, size_t size, const SysWait *wait) {
  return transfer(line, data, size, 0, wait);
}

SysResult line_await(SysHandle line, const SysWait *wait) {
  for (;;) {
    DWORD there = 0;
    SysResult why = SYS_TIMEOUT;
    if (!PeekNamedPipe(line, NULL, 0, NULL, &there, NULL)) return SYS_CLOSED;
    if (there) return SYS_OK;
    if (!sys_left(wait, &why)) return why;
    Sleep(10);
  }
}

int line_quiet(SysHandle line) {
  DWORD there = 0;
  return PeekNamedPipe(line, NULL, 0, NULL, &there, NULL) && !there;
}

void line_close(SysHandle line) {
  if (line != SYS_NO_HANDLE) CloseHandle(line);
}
#endif
