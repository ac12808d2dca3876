/* One effect in the host's project. */
#ifndef TM_INSTANCE_H
#define TM_INSTANCE_H

#include "client.h"
#include "params.h"
#include "picture.h"

#include <stdatomic.h>

typedef struct Instance {
  OfxImageEffectHandle effect;
  OfxParamSetHandle params;
  OfxImageClipHandle source, output;
  OfxPropertySetHandle source_props;
  SysMutex lock;      /* of `told` */
  int told;           /* what the message shows: a Trouble */
  atomic_int running; /* a track or matte pass of this instance is under way */
  atomic_int stop;    /* ... and is to stop */
} Instance;

OfxStatus instance_create(OfxImageEffectHandle);
OfxStatus instance_destroy(OfxImageEffectHandle);
Instance *instance_of(OfxImageEffectHandle); /* NULL where there is none */

/* What the user should know; one message each time it changes. */
typedef enum Trouble {
  TROUBLE_NONE,
  TROUBLE_CALLED_OFF, /* by the user or the host: never told */
  TROUBLE_NO_ENGINE,
  TROUBLE_FOREIGN,
  TROUBLE_VERSION,
  TROUBLE_SLOW,
  TROUBLE_BROKEN,
  TROUBLE_CROWDED,
  TROUBLE_NO_PIXELS,
  TROUBLE_MEMORY,
  TROUBLE_REFUSED,
  TROUBLE_NO_SESSION,
  TROUBLE_MISS,
  TROUBLE_BUSY,
  TROUBLE_STALE,
  TROUBLE_NO_ALPHA,
  TROUBLE_IMAGE
} Trouble;

Trouble trouble_of(ClientState); /* TROUBLE_NONE for CLIENT_OK alone */
const char *trouble_text(Trouble);
void instance_tell(Instance *, Trouble,
                   const char *more);               /* `more` instead of the usual text, unless it is "" or NULL */
void instance_forget(Instance *);                   /* what comes next is told, even if it is the same */
void instance_status(Instance *, const char *text); /* only where parameters may be set */

/* Tell the engine of the instance's session; known sessions are not told again unless something changed or `anew`. */
ClientState session_open(Client *, const Settings *, int anew, const SysWait *);
void session_forget(void);
int uses_media(const Settings *);

#endif
