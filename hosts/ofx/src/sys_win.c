#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <ntsecapi.h> /* RtlGenRandom, under its other name */

#include "sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK(x) ((PSRWLOCK) & (x)->srw)

void sys_mutex_init(SysMutex *x) { InitializeSRWLock(LOCK(x)); }
void sys_mutex_end(SysMutex *x) { (void)x; }
void sys_lock(SysMutex *x) { AcquireSRWLockExclusive(LOCK(x)); }
void sys_unlock(SysMutex *x) { ReleaseSRWLockExclusive(LOCK(x)); }
int64_t sys_now(void) { return (int64_t)GetTickCount64(); }
void sys_sleep(int ms) { Sleep((DWORD)ms); }
long sys_pid(void) { return (long)GetCurrentProcessId(); }
int sys_random(void *to, size_t size) { return RtlGenRandom(to, (ULONG)size) != 0; }

static int fits(int n, size_t size) { return n > 0 && (size_t)n < size; }

/* %LOCALAPPDATA% and what is below it; paths are in the code page of the process. */
static int local(char *to, size_t size, const char *below) {
  const char *base = getenv("LOCALAPPDATA"), *home = getenv("USERPROFILE");
  if (base && *base) return fits(snprintf(to, size, "%s\\%s", base, below), size);
  return home && *home && fits(snprintf(to, size, "%s\\AppData\\Local\\%s", home, below), size);
}

int sys_runtime_folder(char *to, size_t size) {
  const char *chosen = getenv("TRACKMATTE_RUNTIME");
  if (chosen && *chosen) return fits(snprintf(to, size, "%s", chosen), size);
  return local(to, size, "Temp\\trackmatte");
}

int sys_data_folder(char *to, size_t size) { return local(to, size, "trackmatte"); }

int sys_read_file(const char *path, char *to, size_t size) {
  DWORD n = 0;
  HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return -1;
  BOOL read = ReadFile(file, to, (DWORD)(size - 1), &n, NULL);
  CloseHandle(file);
  if (!read) return -1;
  to[n] = 0;
  return (int)n;
}

/* A section of the paging file: its pages are allocated now, and nobody can change its size. The name cannot be
 * guessed, and what it names is closed to other users. */
SysResult sys_memory_make(SysMemory *memory, size_t size) {
  unsigned char random[16];
  char full[80];
  *memory = (SysMemory){NULL, 0, SYS_NO_HANDLE, ""};
  if (!sys_random(random, sizeof random)) return SYS_FAILED;
  for (int i = 0; i < 16; i++) snprintf(memory->name + 2 * i, 3, "%02x", random[i]);
  snprintf(full, sizeof full, "Local\\trackmatte-ofx-%s", memory->name);
  HANDLE section =
      CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, (DWORD)((uint64_t)size >> 32), (DWORD)size, full);
  if (!section) return SYS_FAILED;
  int made = GetLastError() != ERROR_ALREADY_EXISTS;
  memory->base = made ? MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, size) : NULL;
  if (!memory->base) {
    CloseHandle(section);
    return SYS_FAILED;
  }
  memory->size = size;
  memory->handle = section;
  return SYS_OK;
}

void sys_memory_free(SysMemory *memory) {
  if (memory->base) UnmapViewOfFile(memory->base);
  if (memory->handle != SYS_NO_HANDLE) CloseHandle(memory->handle);
  *memory = (SysMemory){NULL, 0, SYS_NO_HANDLE, ""};
}
#endif
