#ifndef _WIN32
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void sys_mutex_init(SysMutex *x) { pthread_mutex_init(&x->m, NULL); }
void sys_mutex_end(SysMutex *x) { pthread_mutex_destroy(&x->m); }
void sys_lock(SysMutex *x) { pthread_mutex_lock(&x->m); }
void sys_unlock(SysMutex *x) { pthread_mutex_unlock(&x->m); }

int64_t sys_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void sys_sleep(int ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};
  nanosleep(&t, NULL);
}

long sys_pid(void) { return (long)getpid(); }

int sys_random(void *to, size_t size) {
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  size_t have = 0;
  while (have < size) {
    ssize_t n = read(fd, (char *)to + have, size - have);
    if (n <= 0 && errno != EINTR) break;
    if (n > 0) have += (size_t)n;
  }
  close(fd);
  return have == size;
}

#if !defined(__APPLE__)
static int is_private(const char *folder) {
  struct stat s;
  return lstat(folder, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == getuid() && (s.st_mode & 077) == 0;
}
#endif

static const char *home(void) {
  const char *h = getenv("HOME");
  if (h && *h) return h;
  const struct passwd *p = getpwuid(getuid());
  return p && p->pw_dir ? p->pw_dir : "/";
}

static int fits(int n, size_t size) { return n > 0 && (size_t)n < size; }

int sys_runtime_folder(char *to, size_t size) {
  const char *chosen = getenv("TRACKMATTE_RUNTIME");
  if (chosen && *chosen) return fits(snprintf(to, size, "%s", chosen), size);
#if defined(__APPLE__)
  return fits(snprintf(to, size, "%s/Library/Caches/TemporaryItems/trackmatte", home()), size);
#else
  char run[64];
  snprintf(run, sizeof run, "/run/user/%ld", (long)getuid());
  const char *places[2] = {getenv("XDG_RUNTIME_DIR"), run};
  for (int i = 0; i < 2; i++)
    if (places[i] && *places[i] && is_private(places[i]))
      return fits(snprintf(to, size, "%s/trackmatte", places[i]), size);
  const char *names[3] = {"TMPDIR", "TEMP", "TMP"}; /* as Python's tempfile looks for it */
  const char *temporary = NULL;
  for (int i = 0; i < 3 && !temporary; i++) {
    const char *t = getenv(names[i]);
    if (t && *t && access(t, W_OK) == 0) temporary = t;
  }
  return fits(snprintf(to, size, "%s/runtime-%ld/trackmatte", temporary ? temporary : "/tmp", (long)getuid()), size);
#endif
}

int sys_data_folder(char *to, size_t size) {
#if defined(__APPLE__)
  return fits(snprintf(to, size, "%s/Library/Application Support/trackmatte", home()), size);
#else
  const char *base = getenv("XDG_DATA_HOME");
  if (base && *base == '/') return fits(snprintf(to, size, "%s/trackmatte", base), size);
  return fits(snprintf(to, size, "%s/.local/share/trackmatte", home()), size);
#endif
}

int sys_read_file(const char *path, char *to, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  struct stat s;
  size_t have = 0;
  ssize_t n = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) ? 1 : -1;
  while (n > 0 && have + 1 < size) {
    n = read(fd, to + have, size - 1 - have);
    if (n > 0) have += (size_t)n;
  }
  close(fd);
  if (n < 0) return -1;
  to[have] = 0;
  return (int)have;
}

SysResult sys_memory_make(SysMemory *memory, size_t size) {
  *memory = (SysMemory){NULL, 0, SYS_NO_HANDLE, ""};
#if defined(__linux__)
  int fd = memfd_create("trackmatte", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return errno == ENOSYS ? SYS_UNSUPPORTED : SYS_FAILED;
  void *base = MAP_FAILED;
  /* Allocated now: a machine without memory left says so here, and not by a signal in the middle of a frame. */
  if (ftruncate(fd, (off_t)size) == 0 && posix_fallocate(fd, 0, (off_t)size) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    close(fd);
    return SYS_FAILED;
  }
  *memory = (SysMemory){base, size, fd, ""};
  return SYS_OK;
#else
  (void)size;
  return SYS_UNSUPPORTED;
#endif
}

void sys_memory_free(SysMemory *memory) {
  if (memory->base) munmap(memory->base, memory->size);
  if (memory->handle != SYS_NO_HANDLE) close(memory->handle);
  *memory = (SysMemory){NULL, 0, SYS_NO_HANDLE, ""};
}
#endif
