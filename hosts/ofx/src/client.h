/* The engine, as the rest of the plug-in sees it: a few lines per process, each for one request at a time. */
#ifndef TM_CLIENT_H
#define TM_CLIENT_H

#include "json.h"
#include "text.h"
#include "wire.h"

#define CLIENT_PROTOCOL     1
#define CLIENT_VERSION_TEXT "0.1.0"
#define CLIENT_CONNECT      250 /* ms */
#define CLIENT_BACK_OFF     5000
#define CLIENT_IDLE         8  /* lines kept for the next frame */
#define CLIENT_MOST         12 /* lines at once; the engine takes 32 of all hosts */

typedef enum ClientState {
  CLIENT_OK,
  CLIENT_ABSENT,    /* no engine runs */
  CLIENT_FOREIGN,   /* what listens there is not this user's */
  CLIENT_OTHER,     /* it speaks another protocol */
  CLIENT_SLOW,      /* no answer in time */
  CLIENT_BROKEN,    /* it went away, or what it said makes no sense */
  CLIENT_QUIT,      /* the host called it off */
  CLIENT_CROWDED,   /* all lines are in use */
  CLIENT_NO_PIXELS, /* this system has no sealed memory */
  CLIENT_NO_MEMORY,
  CLIENT_REFUSED /* an ERROR: see code and message */
} ClientState;

typedef struct Client {
  SysHandle line;
  SysMemory slots;
  uint32_t request;
  long engine; /* its process */
  int spoiled; /* nothing more can be asked on this line */
  WireHead head;
  char *reply; /* WIRE_MOST + 1 bytes */
  Json json;   /* the reply, read */
  char code[32], message[512];
} Client;

/* Get a line to the running engine. `eager` = on the user's word, so that no back-off counts. */
ClientState client_take(Client **, const char *host, int eager, const SysWait *);
void client_give(Client *, ClientState last);

/* Ask and take the one answer, which must be of the type `answer`. */
ClientState client_ask(Client *, WireType, const Text *json, WireType answer, const SysWait *);
/* The two halves of it, for requests with many answers. */
ClientState client_say(Client *, WireType, const Text *json, SysHandle along, const SysWait *);
ClientState client_hear(Client *, const SysWait *);
ClientState client_await(Client *, const SysWait *); /* the line stays good when the wait is called off */
/* Make sure that at least `size` bytes are shared. */
ClientState client_share(Client *, size_t size, const SysWait *);

void client_drop_idle(void); /* close what nobody uses */

#endif
