/* What the user does: buttons. Nothing but the user's own edits counts, and no lock is held while a parameter is set.
 */
#include "actions.h"
#include "prompts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_MOST 5000 /* ms to let a running engine know of new prompts */

static int frame_area(Instance *instance, OfxTime time, OfxRectD *area) {
  const OfxImageEffectSuiteV1 *s = host()->effects;
  if (instance->source && s->clipGetRegionOfDefinition &&
      s->clipGetRegionOfDefinition(instance->source, time, area) == kOfxStatOK && area->x2 > area->x1 &&
      area->y2 > area->y1)
    return 1;
  OfxPropertySetHandle p = effect_props(instance->effect);
  area->x1 = prop_double(p, kOfxImageEffectPropProjectOffset, 0, 0);
  area->y1 = prop_double(p, kOfxImageEffectPropProjectOffset, 1, 0);
  area->x2 = area->x1 + prop_double(p, kOfxImageEffectPropProjectSize, 0, 0);
  area->y2 = area->y1 + prop_double(p, kOfxImageEffectPropProjectSize, 1, 0);
  return area->x2 > area->x1 && area->y2 > area->y1;
}

/* The handles that say something, as points of the frame; -1 where one lies outside, which the status then says. */
static int read_handles(Instance *instance, OfxTime time, PromptPoint points[HANDLES]) {
  OfxRectD area;
  char text[128];
  int count = 0;
  if (!frame_area(instance, time, &area)) {
    instance_status(instance, "The host does not say how large the picture is.");
    return -1;
  }
  for (int i = 0; i < HANDLES; i++) {
    int sign = param_int(instance->params, sign_names[i], time, 0);
    OfxPointD at;
    if (sign != 1 && sign != 2) continue;
    PromptPoint *p = &points[count++];
    memset(p, 0, sizeof *p);
    int read = param_point(instance->params, handle_names[i], time, &at);
    p->x = read ? (at.x - area.x1) / (area.x2 - area.x1) : -1;
    p->y = read ? 1 - (at.y - area.y1) / (area.y2 - area.y1) : -1;
    p->label = sign == 1;
    if (p->x < 0 || p->x > 1 || p->y < 0 || p->y > 1) {
      snprintf(text, sizeof text, "Point %d lies outside the picture; drag it inside or turn it off.", i + 1);
      instance_status(instance, text);
      return -1;
    }
  }
  return count;
}

/* An engine that runs and knows the shot hears of it at once, so that it can say which mattes are stale. */
static void tell_engine(Instance *instance, OfxTime time, const Prompts *prompts) {
  Settings settings;
  Client *client = NULL;
  Text json = {0};
  SysWait wait = sys_wait(TELL_MOST);
  params_read(instance->params, time, &settings);
  if (!settings.session[0] || client_take(&client, host()->name, 1, &wait) != CLIENT_OK) return;
  ClientState state = session_open(client, &settings, 0, &wait);
  if (state == CLIENT_OK) {
    text_format(&json, "{\"session\":\"%s\",\"prompts\":", settings.session);
    prompts_write(prompts, &json);
    text_add(&json, "}");
    state = client_ask(client, WIRE_PROMPTS, &json, WIRE_STATUS, &wait);
  }
  text_free(&json);
  client_give(client, state);
}

static void keep(Instance *instance, OfxTime time, const Prompts *prompts, const char *status) {
  Text text = {0};
  if (prompts->points + prompts->boxes)
    prompts_write(prompts, &text);
  else
    text_add(&text, "");
  if (text.failed || text.length >= PROMPTS_SIZE) {
    instance_status(instance, "There is not enough memory for the prompts.");
  } else {
    params_edit(instance->params, "Trackmatte prompts");
    param_set_string(instance->params, P_PROMPTS, text.s);
    instance_status(instance, status);
    params_edited(instance->params);
    tell_engine(instance, time, prompts);
  }
  text_free(&text);
}

void prompts_at_frame(Instance *instance, OfxTime time, int64_t key) {
  PromptPoint points[HANDLES];
  char status[128];
  Prompts *prompts = prompts_read(param_string(instance->params, P_PROMPTS));
  int count = prompts ? read_handles(instance, time, points) : 0, before = prompts ? prompts->points : 0;
  if (!prompts) {
    instance_status(instance, "The text under Prompts cannot be understood; put it right, or press Clear.");
  } else if (count >= 0 && !prompts_set(prompts, key, points, count)) {
    instance_status(instance, "There are 1000 points already; press Clear, or take some frames back.");
  } else if (count >= 0) {
    if (count)
      snprintf(status, sizeof status, "Frame %lld: %d point%s set.", (long long)key, count, count == 1 ? "" : "s");
    else
      snprintf(status, sizeof status, "Frame %lld: all points are off, so nothing is said about it.", (long long)key);
    if (count || before != prompts->points)
      keep(instance, time, prompts, status);
    else
      instance_status(instance, status);
  }
  free(prompts);
}

static void prompts_clear_all(Instance *instance, OfxTime time) {
  Prompts *none = calloc(1, sizeof *none);
  if (none) keep(instance, time, none, "All prompts are cleared.");
  free(none);
}

static void separate(Instance *instance) {
  char session[37];
  if (!new_session(session)) return;
  param_set_string(instance->params, P_SESSION, session);
  instance_status(instance, "This effect has a shot of its own now; track it.");
}

static void stop(Instance *instance) {
  atomic_store(&instance->stop, 1);
  if (!atomic_load(&instance->running)) instance_status(instance, "Nothing is running.");
}

OfxStatus action_changed(Instance *instance, OfxPropertySetHandle in) {
  static const struct {
    const char *name;
    Pass pass;
  } passes[] = {{P_FORWARD, PASS_FORWARD}, {P_BACKWARD, PASS_BACKWARD}, {P_BOTH, PASS_BOTH}, {P_MATTE, PASS_MATTE}};
  char name[64];
  if (strcmp(prop_string(in, kOfxPropChangeReason, 0), kOfxChangeUserEdited) != 0) return kOfxStatReplyDefault;
  if (strcmp(prop_string(in, kOfxPropType, 0), kOfxTypeClip) == 0) return kOfxStatReplyDefault;
  snprintf(name, sizeof name, "%s", prop_string(in, kOfxPropName, 0));
  OfxTime time = prop_double(in, kOfxPropTime, 0, 0);
  if (strcmp(name, P_SET) == 0) {
    int64_t key = frame_key(in, time, param_int(instance->params, P_OFFSET, time, 0));
    return prompts_at_frame(instance, time, key), kOfxStatOK;
  }
  if (strcmp(name, P_CLEAR) == 0) return prompts_clear_all(instance, time), kOfxStatOK;
  if (strcmp(name, P_STOP) == 0) return stop(instance), kOfxStatOK;
  if (strcmp(name, P_NEW_SESSION) == 0) return separate(instance), kOfxStatOK;
  for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
    if (strcmp(name, passes[i].name) == 0) return run_pass(instance, passes[i].pass, time, in), kOfxStatOK;
  return kOfxStatReplyDefault;
}
