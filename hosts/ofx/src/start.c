/* Starting the engine, only when the user pressed a button: docs/protocol.md, "Find the engine". */
#include "actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREET_MOST   5000  /* ms; an engine at work may be late to greet */
#define START_MOST   60000 /* ms; the first start on a machine reads much from a cold disk */
#define LEAVING_MOST 3000  /* ms */
#define CHILDREN     8

static SysMutex lock = SYS_MUTEX_INIT;
static SysChild children[CHILDREN]; /* started here: looked after, so that no zombie stays */

static void look_after(SysChild child) {
  sys_lock(&lock);
  for (int i = 0; i < CHILDREN; i++)
    if (children[i].id) spawn_ended(&children[i]);
  for (int i = 0; i < CHILDREN && child.id; i++)
    if (!children[i].id) {
      children[i] = child;
      child.id = 0;
    }
  sys_unlock(&lock);
}

static int read_entry(const char *folder, const char *key, char *to, size_t size) {
  char path[SYS_PATH], text[8192];
  Json json;
  int found = 0;
  if (snprintf(path, sizeof path, "%s/engine.json", folder) >= (int)sizeof path) return 0;
  int n = sys_read_file(path, text, sizeof text);
  if (n > 0 && json_read(&json, text, (size_t)n)) {
    found = json_string(&json, 0, key, to, size) && *to;
    json_free(&json);
  }
  return found;
}

/* What starts the engine: `program` and, if it is a Python, what to give it. */
static int find_engine(char *program, size_t size, int *python, char *more, size_t room) {
  char folder[SYS_PATH], named[SYS_PATH];
  const char *chosen = getenv("TRACKMATTE_PYTHON");
  *python = 1;
  named[0] = 0;
  if (chosen && *chosen)
    snprintf(named, sizeof named, "%s", chosen);
  else if (sys_data_folder(folder, sizeof folder))
    read_entry(folder, "python", named, sizeof named);
  if (named[0]) {
    if (spawn_find(named, program, size)) return 1;
    snprintf(
        more, room,
        "The engine's Python %.300s is not there; install Trackmatte again and run once: trackmatte serve --record",
        named);
    return 0;
  }
  *python = 0;
  if (spawn_find("trackmatte", program, size)) return 1;
  snprintf(more, room,
           "The Trackmatte engine was not found; install it (pip install trackmatte) and run once: trackmatte serve "
           "--record");
  return 0;
}

static void last_line(const char *log, char *to, size_t size) {
  static const char nothing[] = "it said nothing";
  char text[16384];
  int n = sys_read_file(log, text, sizeof text);
  while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) n--;
  int first = n > 0 ? n : 0;
  while (first > 0 && text[first - 1] != '\n') first--;
  if (n > 0)
    text_clean(to, size, text + first, (size_t)(n - first));
  else
    text_clean(to, size, nothing, sizeof nothing - 1);
}

static ClientState wait_for(Instance *instance, Client **client, SysChild *child, const char *log, char *more,
                            size_t size) {
  const int64_t begin = sys_now();
  for (;;) {
    int ended = spawn_ended(child);
    SysWait wait = sys_wait(CLIENT_CONNECT + 1000);
    ClientState state = client_take(client, host()->name, 1, &wait);
    if (state != CLIENT_ABSENT && state != CLIENT_SLOW && state != CLIENT_BROKEN) return state;
    int64_t gone = sys_now() - begin;
    if (ended) {
      char line[400];
      last_line(log, line, sizeof line);
      snprintf(more, size, "The Trackmatte engine ended at once: %s", line);
      return CLIENT_ABSENT;
    }
    if (gone > START_MOST) {
      snprintf(more, size,
               "The Trackmatte engine did not answer within 60 seconds; engine.log in its runtime folder says more.");
      spawn_end(child);
      return CLIENT_ABSENT;
    }
    if (atomic_load(&instance->stop) || !progress_update(instance->effect, (double)gone / START_MOST * .05)) {
      spawn_end(child);
      return CLIENT_QUIT;
    }
    sys_sleep(SYS_SLICE);
  }
}

static ClientState start(Instance *instance, Client **client, char *more, size_t size) {
  char program[SYS_PATH], folder[SYS_PATH], log[SYS_PATH + 16], mark[37], found[64] = "";
  char *with_python[] = {program, "-P", "-m", "trackmatte", "serve", NULL}, *alone[] = {program, "serve", NULL};
  int python;
  SysChild child = {0};
  if (!find_engine(program, sizeof program, &python, more, size)) return CLIENT_ABSENT;
  if (!sys_runtime_folder(folder, sizeof folder) || !new_session(mark)) return CLIENT_ABSENT;
  snprintf(log, sizeof log, "%s/engine.log", folder);
  SysResult r = spawn_engine(python ? with_python : alone, folder, log, mark, &child);
  if (r == SYS_FOREIGN) return CLIENT_FOREIGN;
  if (r != SYS_OK) {
    snprintf(more, size, "The Trackmatte engine cannot be started with %.300s; install it again.", program);
    return CLIENT_ABSENT;
  }
  ClientState state = wait_for(instance, client, &child, log, more, size);
  /* Another program was quicker: ours must not take over when that one ends. */
  if (state == CLIENT_OK && read_entry(folder, "starter", found, sizeof found) && strcmp(found, mark) != 0)
    spawn_end(&child);
  look_after(child);
  return state;
}

/* An engine that is just ending breaks lines off for a moment, and is then gone. */
ClientState start_engine(Instance *instance, Client **client, char *more, size_t size) {
  const int64_t end = sys_now() + LEAVING_MOST;
  ClientState state;
  look_after((SysChild){0});
  *more = 0;
  for (;;) {
    SysWait wait = sys_wait(GREET_MOST);
    state = client_take(client, host()->name, 1, &wait);
    if (state != CLIENT_BROKEN || sys_now() >= end) break;
    sys_sleep(SYS_SLICE);
  }
  return state == CLIENT_ABSENT ? start(instance, client, more, size) : state;
}
