/* Sending the engine the host's own frames. */
#ifndef TM_PUSH_H
#define TM_PUSH_H

#include "instance.h"

/* Send the source's picture at a time; CLIENT_REFUSED with `*more` where the host gives none that can be used. */
ClientState push_frame(Instance *, Client *, const Settings *, OfxTime, int64_t key, char *more, size_t size,
                       const SysWait *);

#endif
