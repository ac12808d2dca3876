/* The actions of the host, one function each. */
#ifndef TM_ACTIONS_H
#define TM_ACTIONS_H

#include "instance.h"

OfxStatus action_describe(OfxImageEffectHandle);
OfxStatus action_describe_in_context(OfxImageEffectHandle, OfxPropertySetHandle in);
OfxStatus action_clip_preferences(Instance *, OfxPropertySetHandle out);
OfxStatus action_is_identity(Instance *, OfxPropertySetHandle in, OfxPropertySetHandle out);
OfxStatus action_render(Instance *, OfxPropertySetHandle in);
OfxStatus action_changed(Instance *, OfxPropertySetHandle in);
OfxPluginEntryPoint overlay_entry;

/* The number of a frame in the source: the host's own where it says one, else time plus offset. */
int64_t frame_key(OfxPropertySetHandle said, OfxTime, int64_t offset);

/* Prompts and tracking, on the user's word alone. */
void prompts_at_frame(Instance *, OfxTime, int64_t key);
typedef enum Pass { PASS_FORWARD, PASS_BACKWARD, PASS_BOTH, PASS_MATTE } Pass;
void run_pass(Instance *, Pass, OfxTime, OfxPropertySetHandle in);

/* A line to the engine, which is started first if need be; progress is shown meanwhile. `*more` is what to tell the
 * user. */
ClientState start_engine(Instance *, Client **, char *more, size_t size);

#endif
