#ifndef _WIN32
#include "sys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What hosts set for their own Python and libraries. */
static const char *const foreign[] = {"PYTHON",      "CONDA", "_CONDA", "_CE_",
                                      "VIRTUAL_ENV", "LD_",   "DYLD_",  "TRACKMATTE_STARTER="};

static int is_foreign(const char *entry) {
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    size_t k = 0;
    while (foreign[i][k] && toupper((unsigned char)entry[k]) == foreign[i][k]) k++;
    if (!foreign[i][k]) return 1;
  }
  return 0;
}

/* The environment without those; `extra` has room for two entries. To be freed with free(). */
static char **scrubbed(char *const extra[2]) {
  size_t count = 0, kept = 0;
  while (environ[count]) count++;
  char **to = malloc((count + 3) * sizeof *to);
  if (!to) return NULL;
  for (size_t i = 0; i < count; i++)
    if (!is_foreign(environ[i])) to[kept++] = environ[i];
  for (int i = 0; i < 2; i++)
    if (extra[i]) to[kept++] = extra[i];
  to[kept] = NULL;
  return to;
}

static int make_private(const char *folder) {
  char parent[SYS_PATH];
  struct stat s;
  snprintf(parent, sizeof parent, "%s", folder);
  for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(parent, 0700);
    *slash = '/';
  }
  mkdir(folder, 0700);
  return lstat(folder, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid() &&
         ((s.st_mode & 077) == 0 || chmod(folder, 0700) == 0);
}

static SysResult launch(char *const argv[], char *const environment[], const char *folder, const char *log,
                        pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID;
#if defined(__APPLE__)
  flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#endif
  sigemptyset(&none);
  sigfillset(&all);
  sigdelset(&all, SIGKILL);
  sigdelset(&all, SIGSTOP);
  if (posix_spawn_file_actions_init(&actions) != 0) return SYS_FAILED;
  if (posix_spawnattr_init(&attributes) != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return SYS_FAILED;
  }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 29)
  posix_spawn_file_actions_addchdir_np(&actions, folder);
#else
  (void)folder;
#endif
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, flags);
  int failed = posix_spawn(pid, argv[0], &actions, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failed ? SYS_FAILED : SYS_OK;
}

SysResult spawn_engine(char *const argv[], const char *folder, const char *log, const char *mark, SysChild *child) {
  char starter[128], library[SYS_PATH];
  const char *original = getenv("LD_LIBRARY_PATH_ORIG");
  char *extra[2] = {starter, NULL};
  pid_t pid = 0;
  child->id = 0;
  if (!make_private(folder)) return SYS_FOREIGN;
  snprintf(starter, sizeof starter, "TRACKMATTE_STARTER=%s", mark);
  if (original && *original && snprintf(library, sizeof library, "LD_LIBRARY_PATH=%s", original) < (int)sizeof library)
    extra[1] = library;
  char **environment = scrubbed(extra);
  if (!environment) return SYS_FAILED;
  SysResult r = launch(argv, environment, folder, log, &pid);
  free(environment);
  if (r == SYS_OK) child->id = pid;
  return r;
}

int spawn_ended(SysChild *child) {
  if (!child->id) return 1;
  int status;
  pid_t r = waitpid((pid_t)child->id, &status, WNOHANG);
  /* A host that reaps all children itself leaves only the question whether the process is there. */
  int ended = r == (pid_t)child->id || (r < 0 && kill((pid_t)child->id, 0) != 0 && errno == ESRCH);
  if (ended) child->id = 0;
  return ended;
}

void spawn_end(SysChild *child) {
  if (child->id > 1) kill((pid_t)child->id, SIGTERM);
}

int spawn_usable(const char *program) {
  struct stat s;
  return stat(program, &s) == 0 && S_ISREG(s.st_mode) && access(program, X_OK) == 0;
}

int spawn_find(const char *program, char *to, size_t size) {
  if (strchr(program, '/')) return snprintf(to, size, "%s", program) < (int)size && spawn_usable(to);
  const char *path = getenv("PATH");
  for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; *path;) {
    size_t n = strcspn(path, ":");
    if (n && path[0] == '/' && snprintf(to, size, "%.*s/%s", (int)n, path, program) < (int)size && spawn_usable(to))
      return 1;
    path += n + (path[n] == ':');
  }
  return 0;
}
#endif
