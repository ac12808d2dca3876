#include "instance.h"

#include <string.h>

#define KNOWN 64

/* What the engine was told, by session: a hash is enough to see a change. */
typedef struct Known {
  char session[37];
  long engine;
  uint64_t hash;
} Known;

static SysMutex lock = SYS_MUTEX_INIT;
static Known known[KNOWN];
static int next;

int uses_media(const Settings *settings) { return settings->media[0] != 0; }

static uint64_t hash_of(const char *s) {
  uint64_t h = 0xcbf29ce484222325u;
  for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
  return h;
}

static int is_known(const char *session, long engine, uint64_t hash) {
  int found = 0;
  sys_lock(&lock);
  for (int i = 0; i < KNOWN; i++)
    if (strcmp(known[i].session, session) == 0) found = known[i].engine == engine && known[i].hash == hash;
  sys_unlock(&lock);
  return found;
}

static void remember(const char *session, long engine, uint64_t hash) {
  sys_lock(&lock);
  int at = -1;
  for (int i = 0; i < KNOWN; i++)
    if (strcmp(known[i].session, session) == 0) at = i;
  if (at < 0) at = next++ % KNOWN;
  memcpy(known[at].session, session, sizeof known[at].session);
  known[at].engine = engine;
  known[at].hash = hash;
  sys_unlock(&lock);
}

void session_forget(void) {
  sys_lock(&lock);
  memset(known, 0, sizeof known);
  sys_unlock(&lock);
}

ClientState session_open(Client *client, const Settings *settings, int anew, const SysWait *wait) {
  Text json = {0};
  text_format(&json,
              "{\"session\": \"%s\", \"mode\": \"%s\", \"colour\": \"%s\", \"tracker\": \"%s\", \"refiner\": \"%s\", "
              "\"path\": ",
              settings->session, uses_media(settings) ? "media" : "push", settings->colour, settings->tracker,
              settings->refiner);
  text_quote(&json, settings->media);
  text_add(&json, "}");
  if (json.failed) {
    text_free(&json);
    return CLIENT_NO_MEMORY;
  }
  uint64_t hash = hash_of(json.s);
  ClientState state = CLIENT_OK;
  if (anew || !is_known(settings->session, client->engine, hash)) {
    state = client_ask(client, WIRE_OPEN, &json, WIRE_STATUS, wait);
    if (state == CLIENT_OK) remember(settings->session, client->engine, hash);
  }
  text_free(&json);
  return state;
}
