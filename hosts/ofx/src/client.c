#include "client.h"

#include <stdlib.h>
#include <string.h>

static SysMutex lock = SYS_MUTEX_INIT;
static Client *idle[CLIENT_IDLE];
static int idle_count, open_count;
static int64_t not_before;     /* of the next try */
static ClientState last_fault; /* why there is a back-off */

static ClientState state_of(SysResult r) {
  switch (r) {
  case SYS_OK: return CLIENT_OK;
  case SYS_ABSENT: return CLIENT_ABSENT;
  case SYS_FOREIGN: return CLIENT_FOREIGN;
  case SYS_TIMEOUT: return CLIENT_SLOW;
  case SYS_QUIT: return CLIENT_QUIT;
  case SYS_UNSUPPORTED: return CLIENT_NO_PIXELS;
  default: return CLIENT_BROKEN;
  }
}

static void destroy(Client *client) {
  line_close(client->line);
  sys_memory_free(&client->slots);
  json_free(&client->json);
  free(client->reply);
  free(client);
}

static void release(Client *client) {
  destroy(client);
  sys_lock(&lock);
  open_count--;
  sys_unlock(&lock);
}

ClientState client_say(Client *client, WireType type, const Text *json, SysHandle along, const SysWait *wait) {
  if (json->failed || json->length > WIRE_MOST) return CLIENT_NO_MEMORY;
  if (type != WIRE_CANCEL) client->request++;
  SysResult r = wire_send(client->line, type, client->request, json->s, json->length, along, wait);
  if (r != SYS_OK) client->spoiled = 1;
  return state_of(r);
}

ClientState client_hear(Client *client, const SysWait *wait) {
  json_free(&client->json);
  client->code[0] = client->message[0] = 0;
  SysResult r = wire_receive(client->line, &client->head, client->reply, wait);
  if (r == SYS_OK &&
      (client->head.request != client->request || !json_read(&client->json, client->reply, client->head.length) ||
       client->json.nodes[0].kind != JSON_OBJECT))
    r = SYS_FAILED;
  if (r != SYS_OK) {
    client->spoiled = 1;
    return state_of(r);
  }
  if (client->head.type != WIRE_ERROR) return CLIENT_OK;
  if (!json_string(&client->json, 0, "code", client->code, sizeof client->code) ||
      !json_string(&client->json, 0, "message", client->message, sizeof client->message)) {
    client->spoiled = 1;
    return CLIENT_BROKEN;
  }
  if (strcmp(client->code, "malformed") == 0) client->spoiled = 1;
  if (strcmp(client->code, "version") != 0) return CLIENT_REFUSED;
  client->spoiled = 1;
  return CLIENT_OTHER;
}

ClientState client_await(Client *client, const SysWait *wait) { return state_of(line_await(client->line, wait)); }

ClientState client_ask(Client *client, WireType type, const Text *json, WireType answer, const SysWait *wait) {
  ClientState state = client_say(client, type, json, SYS_NO_HANDLE, wait);
  if (state == CLIENT_OK) state = client_hear(client, wait);
  if (state == CLIENT_OK && client->head.type != answer) {
    client->spoiled = 1;
    state = CLIENT_BROKEN;
  }
  return state;
}

static ClientState greet(Client *client, const char *host, const SysWait *wait) {
  Text hello = {0};
  int64_t protocol = 0, pid = 0;
  text_format(&hello, "{\"protocol\": %d, \"plugin\": \"%s\", \"pid\": %ld, \"host\": ", CLIENT_PROTOCOL,
              CLIENT_VERSION_TEXT, sys_pid());
  text_quote(&hello, host);
  text_add(&hello, "}");
  ClientState state = client_ask(client, WIRE_HELLO, &hello, WIRE_HELLO, wait);
  text_free(&hello);
  if (state != CLIENT_OK) return state;
  if (!json_integer(&client->json, 0, "protocol", &protocol) || !json_integer(&client->json, 0, "pid", &pid))
    return CLIENT_BROKEN;
  client->engine = (long)pid;
  return protocol == CLIENT_PROTOCOL ? CLIENT_OK : CLIENT_OTHER;
}

static ClientState connect_new(Client **made, const char *host, const SysWait *wait) {
  Client *client = calloc(1, sizeof *client);
  if (!client) return CLIENT_NO_MEMORY;
  client->line = client->slots.handle = SYS_NO_HANDLE;
  client->reply = malloc(WIRE_MOST + 1);
  SysWait soon = *wait;
  int64_t end = sys_now() + CLIENT_CONNECT;
  if (end < soon.end) soon.end = end;
  ClientState state = client->reply ? CLIENT_OK : CLIENT_NO_MEMORY;
  if (state == CLIENT_OK) {
    SysResult r = line_open(&client->line, &soon);
    state = r == SYS_UNSUPPORTED ? CLIENT_ABSENT : state_of(r);
  }
  if (state == CLIENT_OK) state = greet(client, host, wait);
  if (state != CLIENT_OK) {
    destroy(client);
    return state;
  }
  *made = client;
  return CLIENT_OK;
}

/* A line that is idle and still good, or the right to open one (*client is then NULL). */
static ClientState reserve(Client **client, int eager, const SysWait *wait) {
  *client = NULL;
  for (;;) {
    SysResult why = SYS_TIMEOUT;
    sys_lock(&lock);
    Client *dead = NULL, *good = NULL;
    if (idle_count) {
      Client *found = idle[--idle_count];
      *(line_quiet(found->line) ? &good : &dead) = found;
    }
    int held_back = !good && !eager && sys_now() < not_before;
    int room = !good && !dead && !held_back && open_count < CLIENT_MOST;
    if (room) open_count++;
    ClientState fault = last_fault;
    sys_unlock(&lock);
    if (dead) {
      release(dead);
      continue;
    }
    if (good) return *client = good, CLIENT_OK;
    if (held_back) return fault;
    if (room) return CLIENT_OK;
    if (!sys_left(wait, &why)) return why == SYS_QUIT ? CLIENT_QUIT : CLIENT_CROWDED;
    sys_sleep(2);
  }
}

static int is_fault(ClientState state) {
  return state == CLIENT_ABSENT || state == CLIENT_FOREIGN || state == CLIENT_OTHER || state == CLIENT_SLOW ||
         state == CLIENT_BROKEN;
}

static void note(ClientState state) {
  sys_lock(&lock);
  if (is_fault(state)) {
    not_before = sys_now() + CLIENT_BACK_OFF;
    last_fault = state;
  } else if (state == CLIENT_OK) {
    not_before = 0;
  }
  sys_unlock(&lock);
}

ClientState client_take(Client **client, const char *host, int eager, const SysWait *wait) {
  ClientState state = reserve(client, eager, wait);
  if (state != CLIENT_OK || *client) return state;
  state = connect_new(client, host, wait);
  if (state != CLIENT_OK) {
    sys_lock(&lock);
    open_count--;
    sys_unlock(&lock);
  }
  note(state);
  return state;
}

void client_give(Client *client, ClientState last) {
  if (!client) return;
  if (last == CLIENT_QUIT) client->spoiled = 1;
  if (client->spoiled) note(last);
  json_free(&client->json);
  sys_lock(&lock);
  int keep = !client->spoiled && idle_count < CLIENT_IDLE;
  if (keep) idle[idle_count++] = client;
  sys_unlock(&lock);
  if (!keep) release(client);
}

ClientState client_share(Client *client, size_t size, const SysWait *wait) {
  if (client->slots.size >= size) return CLIENT_OK;
  SysMemory memory;
  size_t room = (size + 65535) & ~(size_t)65535;
  SysResult r = sys_memory_make(&memory, room);
  if (r != SYS_OK) return r == SYS_UNSUPPORTED ? CLIENT_NO_PIXELS : CLIENT_NO_MEMORY;
  Text json = {0};
  text_format(&json, "{\"size\": %lld, \"name\": \"%s\"}", (long long)room, memory.name);
  ClientState state = client_say(client, WIRE_SLOTS, &json, memory.handle, wait);
  text_free(&json);
  if (state == CLIENT_OK) state = client_hear(client, wait);
  if (state == CLIENT_OK && client->head.type != WIRE_OK) {
    client->spoiled = 1;
    state = CLIENT_BROKEN;
  }
  if (state != CLIENT_OK) {
    sys_memory_free(&memory);
    return state;
  }
  sys_memory_free(&client->slots);
  client->slots = memory;
  return CLIENT_OK;
}

void client_drop_idle(void) {
  for (;;) {
    sys_lock(&lock);
    Client *client = idle_count ? idle[--idle_count] : NULL;
    sys_unlock(&lock);
    if (!client) return;
    release(client);
  }
}
