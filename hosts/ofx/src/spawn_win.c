#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What hosts set for their own Python and libraries. */
static const char *const foreign[] = {"PYTHON",      "CONDA", "_CONDA", "_CE_",
                                      "VIRTUAL_ENV", "LD_",   "DYLD_",  "TRACKMATTE_STARTER="};

static int is_foreign(const char *entry) {
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
    if (_strnicmp(entry, foreign[i], strlen(foreign[i])) == 0) return 1;
  return 0;
}

/* A block of the environment without those and with the mark; to be freed with free(). */
static char *scrubbed(const char *mark) {
  char *all = GetEnvironmentStringsA();
  size_t size = 1, at = 0;
  if (!all) return NULL;
  for (const char *s = all; *s; s += strlen(s) + 1) size += strlen(s) + 1;
  char *to = malloc(size + strlen(mark) + 64);
  for (const char *s = all; to && *s; s += strlen(s) + 1)
    if (!is_foreign(s)) {
      memcpy(to + at, s, strlen(s) + 1);
      at += strlen(s) + 1;
    }
  if (to) {
    at += (size_t)snprintf(to + at, strlen(mark) + 32, "TRACKMATTE_STARTER=%s", mark) + 1;
    to[at] = 0;
  }
  FreeEnvironmentStringsA(all);
  return to;
}

/* Words in quotes, as the C library of the new process takes them apart; none of them holds a quote. */
static int command_line(char *const argv[], char *to, size_t size) {
  size_t at = 0;
  for (int i = 0; argv[i]; i++) {
    if (strchr(argv[i], '"')) return 0;
    int n = snprintf(to + at, size - at, i ? " \"%s\"" : "\"%s\"", argv[i]);
    if (n < 0 || (size_t)n >= size - at) return 0;
    at += (size_t)n;
  }
  return 1;
}

/* Start a process that inherits one handle and nothing else of the host's. */
static BOOL start_with(char *command, const char *program, const char *folder, char *environment, HANDLE out,
                       PROCESS_INFORMATION *made) {
  STARTUPINFOEXA start = {0};
  SIZE_T size = 0;
  InitializeProcThreadAttributeList(NULL, 1, 0, &size);
  LPPROC_THREAD_ATTRIBUTE_LIST list = malloc(size);
  BOOL fine = list && InitializeProcThreadAttributeList(list, 1, 0, &size);
  if (fine) {
    start.StartupInfo.cb = sizeof start;
    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    start.StartupInfo.hStdOutput = start.StartupInfo.hStdError = out;
    start.lpAttributeList = list;
    fine = UpdateProcThreadAttribute(list, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &out, sizeof out, NULL, NULL) &&
           CreateProcessA(program, command, NULL, NULL, TRUE,
                          CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW | EXTENDED_STARTUPINFO_PRESENT, environment,
                          folder, &start.StartupInfo, made);
    DeleteProcThreadAttributeList(list);
  }
  free(list);
  return fine;
}

SysResult spawn_engine(char *const argv[], const char *folder, const char *log, const char *mark, SysChild *child) {
  char command[SYS_PATH * 2];
  PROCESS_INFORMATION made = {0};
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  child->id = 0;
  if (!command_line(argv, command, sizeof command)) return SYS_FAILED;
  CreateDirectoryA(folder, NULL); /* in the user's profile, whose access list closes it to others */
  char *environment = scrubbed(mark);
  HANDLE out = CreateFileA(log, GENERIC_WRITE, FILE_SHARE_READ, &inherited, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
  BOOL fine =
      environment && out != INVALID_HANDLE_VALUE && start_with(command, argv[0], folder, environment, out, &made);
  free(environment);
  if (out != INVALID_HANDLE_VALUE) CloseHandle(out);
  if (!fine) return SYS_FAILED;
  CloseHandle(made.hThread);
  child->id = (intptr_t)made.hProcess;
  return SYS_OK;
}

int spawn_ended(SysChild *child) {
  if (!child->id) return 1;
  if (WaitForSingleObject((HANDLE)child->id, 0) == WAIT_TIMEOUT) return 0;
  CloseHandle((HANDLE)child->id);
  child->id = 0;
  return 1;
}

void spawn_end(SysChild *child) {
  if (child->id) TerminateProcess((HANDLE)child->id, 1);
}

int spawn_usable(const char *program) {
  DWORD what = GetFileAttributesA(program);
  return what != INVALID_FILE_ATTRIBUTES && !(what & FILE_ATTRIBUTE_DIRECTORY);
}

int spawn_find(const char *program, char *to, size_t size) {
  char *name;
  if (strpbrk(program, "\\/")) return snprintf(to, size, "%s", program) < (int)size && spawn_usable(to);
  const char *path = getenv("PATH"); /* and not the host's folder or the current one, as SearchPath would by itself */
  DWORD n = path ? SearchPathA(path, program, ".exe", (DWORD)size, to, &name) : 0;
  return n > 0 && n < size;
}
#endif
