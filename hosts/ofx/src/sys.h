/* What differs from system to system: time, locks, the line to the engine, shared memory, processes. sys_*.c, line_*.c
 * and spawn_*.c exist once for POSIX and once for Windows. */
#ifndef TM_SYS_H
#define TM_SYS_H

#include <stddef.h>
#include <stdint.h>

#define SYS_PATH  4096
#define SYS_SLICE 50 /* ms between two looks at whether to stop waiting */

typedef enum SysResult {
  SYS_OK,
  SYS_ABSENT,  /* nobody is there */
  SYS_FOREIGN, /* somebody else's process is there */
  SYS_TIMEOUT,
  SYS_CLOSED,      /* the other end went away */
  SYS_QUIT,        /* the wait was called off */
  SYS_UNSUPPORTED, /* this system has no such thing */
  SYS_FAILED
} SysResult;

/* How long something may take: until `end` on the clock of sys_now, or until `quit`, if there is one, says so. */
typedef struct SysWait {
  int64_t end;
  int (*quit)(void *who);
  void *who;
} SysWait;

#if defined(_WIN32)
typedef struct {
  void *srw;
} SysMutex; /* an SRWLOCK */
#define SYS_MUTEX_INIT {NULL}
typedef void *SysHandle;
#define SYS_NO_HANDLE NULL
#else
#include <pthread.h>
typedef struct {
  pthread_mutex_t m;
} SysMutex;
#define SYS_MUTEX_INIT {PTHREAD_MUTEX_INITIALIZER}
typedef int SysHandle;
#define SYS_NO_HANDLE  (-1)
#endif

void sys_mutex_init(SysMutex *);
void sys_mutex_end(SysMutex *);
void sys_lock(SysMutex *);
void sys_unlock(SysMutex *);

int64_t sys_now(void); /* ms, monotonic */
void sys_sleep(int ms);
int sys_random(void *to, size_t size); /* 1 = filled */
long sys_pid(void);
SysWait sys_wait(int ms);
int sys_left(const SysWait *, SysResult *why); /* ms until the next look, 0 = stop for `why` */

/* Folders of docs/protocol.md, "Find the engine"; 1 = known. */
int sys_runtime_folder(char *to, size_t size);
int sys_data_folder(char *to, size_t size);
int sys_read_file(const char *path, char *to, size_t size); /* bytes read and closed by a 0, or -1 */

/* The line to the engine: a Unix socket, or a named pipe. */
SysResult line_open(SysHandle *line, const SysWait *);
SysResult line_send(SysHandle line, const void *data, size_t size, SysHandle along, const SysWait *);
SysResult line_receive(SysHandle line, void *data, size_t size, const SysWait *);
SysResult line_await(SysHandle line, const SysWait *); /* until something can be received */
int line_quiet(SysHandle line);                        /* 1 = open, and nothing came that nobody asked for */
void line_close(SysHandle line);

/* Memory that both ends see and neither can shrink. */
typedef struct SysMemory {
  unsigned char *base;
  size_t size;
  SysHandle handle;
  char name[33]; /* by which the engine finds it; "" where the handle itself is sent */
} SysMemory;
SysResult sys_memory_make(SysMemory *, size_t size);
void sys_memory_free(SysMemory *);

/* The engine's process. */
typedef struct SysChild {
  intptr_t id; /* 0 = none */
} SysChild;
SysResult spawn_engine(char *const argv[], const char *folder, const char *log, const char *mark, SysChild *);
int spawn_ended(SysChild *);                                /* 1 once it has ended */
void spawn_end(SysChild *);                                 /* ask it to end */
int spawn_find(const char *program, char *to, size_t size); /* looks along the search path; 1 = found */
int spawn_usable(const char *program);                      /* 1 = it is there and may be run */

#endif
