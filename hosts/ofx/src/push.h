/* Sending the engine the host's own frames. */
#ifndef TM_PUSH_H
#define TM_PUSH_H

#include "instance.h"

/* The first frame of those that are sent together; w = 0: none was sent yet. */
typedef struct PushFirst {
  int w, h;
  int64_t key;
} PushFirst;

/* Send the source's picture at a time; CLIENT_REFUSED with `*more` where the host gives none that can be used,
 * or one of another size than the first. */
ClientState push_frame(Instance *, Client *, const Settings *, OfxTime, int64_t key, PushFirst *, char *more,
                       size_t size, const SysWait *);

#endif
