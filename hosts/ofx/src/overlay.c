/* Over the viewer, in hosts that have the draw suite: what is said about the frame shown, and the handles, which can be
 * dragged. */
#include "actions.h"
#include "prompts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REACH 10.0 /* screen pixels around a handle in which it can be taken hold of */

typedef struct Overlay {
  int held; /* 1 + the handle that is dragged; 0 = none */
} Overlay;

static OfxPropertySetHandle props_of(OfxInteractHandle interact) {
  OfxPropertySetHandle p = NULL;
  const OfxInteractSuiteV1 *s = host()->interact;
  return s && s->interactGetPropertySet && s->interactGetPropertySet(interact, &p) == kOfxStatOK ? p : NULL;
}

static Instance *effect_of(OfxPropertySetHandle props) {
  OfxImageEffectHandle effect = prop_pointer(props, kOfxPropEffectInstance);
  return effect ? instance_of(effect) : NULL;
}

static void cross(OfxDrawContextHandle to, double x, double y, double arm, int keep) {
  const OfxDrawSuiteV1 *d = host()->draw;
  const OfxRGBAColourF colour = keep ? (OfxRGBAColourF){.2f, .9f, .3f, 1} : (OfxRGBAColourF){.95f, .25f, .2f, 1};
  const OfxPointD lines[4] = {{x - arm, y}, {x + arm, y}, {x, y - arm}, {x, y + arm}};
  if (d->setColour) d->setColour(to, &colour);
  if (d->setLineWidth) d->setLineWidth(to, 2);
  d->draw(to, kOfxDrawPrimitiveLines, lines, keep ? 4 : 2);
}

static void draw_said(Instance *instance, OfxDrawContextHandle to, OfxTime time, double arm) {
  OfxRectD area;
  const OfxImageEffectSuiteV1 *s = host()->effects;
  Prompts *prompts = prompts_read(param_string(instance->params, P_PROMPTS));
  const int64_t key = (fabs(time) < 1e9 ? llround(time) : 0) + param_int(instance->params, P_OFFSET, time, 0);
  int known = s->clipGetRegionOfDefinition && s->clipGetRegionOfDefinition(instance->source, time, &area) == kOfxStatOK;
  for (int i = 0; known && prompts && i < prompts->points; i++) {
    const PromptPoint *p = &prompts->point[i];
    if (p->frame == key)
      cross(to, area.x1 + p->x * (area.x2 - area.x1), area.y2 - p->y * (area.y2 - area.y1), arm, p->label);
  }
  free(prompts);
}

static OfxStatus draw(Instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle own) {
  OfxDrawContextHandle to = prop_pointer(in, kOfxInteractPropDrawContext);
  const OfxTime time = prop_double(in, kOfxPropTime, 0, 0);
  const double pixel = prop_double(own, kOfxInteractPropPixelScale, 0, 1);
  if (!to || !host()->draw || !host()->draw->draw) return kOfxStatReplyDefault;
  draw_said(instance, to, time, 5 * pixel);
  for (int i = 0; i < HANDLES; i++) {
    OfxPointD at;
    int sign = param_int(instance->params, sign_names[i], time, 0);
    if (sign && param_point(instance->params, handle_names[i], time, &at)) cross(to, at.x, at.y, 9 * pixel, sign == 1);
  }
  return kOfxStatOK;
}

static OfxStatus pen_down(Instance *instance, Overlay *overlay, OfxPropertySetHandle in, OfxPropertySetHandle own) {
  const OfxTime time = prop_double(in, kOfxPropTime, 0, 0);
  const double pixel = prop_double(own, kOfxInteractPropPixelScale, 0, 1);
  const double x = prop_double(in, kOfxInteractPropPenPosition, 0, 0),
               y = prop_double(in, kOfxInteractPropPenPosition, 1, 0);
  double nearest = REACH * pixel;
  overlay->held = 0;
  for (int i = 0; i < HANDLES; i++) {
    OfxPointD at;
    if (!param_int(instance->params, sign_names[i], time, 0) ||
        !param_point(instance->params, handle_names[i], time, &at))
      continue;
    double away = hypot(at.x - x, at.y - y);
    if (away <= nearest) {
      nearest = away;
      overlay->held = i + 1;
    }
  }
  return overlay->held ? kOfxStatOK : kOfxStatReplyDefault;
}

static OfxStatus pen_motion(Instance *instance, Overlay *overlay, OfxPropertySetHandle in, OfxInteractHandle interact) {
  if (!overlay->held) return kOfxStatReplyDefault;
  OfxPointD at = {prop_double(in, kOfxInteractPropPenPosition, 0, 0),
                  prop_double(in, kOfxInteractPropPenPosition, 1, 0)};
  param_set_point(instance->params, handle_names[overlay->held - 1], at);
  if (host()->interact->interactRedraw) host()->interact->interactRedraw(interact);
  return kOfxStatOK;
}

static OfxStatus create(OfxPropertySetHandle own) {
  Overlay *overlay = calloc(1, sizeof *overlay);
  if (!overlay) return kOfxStatErrMemory;
  prop_set_pointer(own, kOfxPropInstanceData, overlay);
  /* The host draws it anew when one of these changes. */
  prop_set_string(own, kOfxInteractPropSlaveToParam, 0, P_PROMPTS);
  prop_set_string(own, kOfxInteractPropSlaveToParam, 1, P_OFFSET);
  for (int i = 0; i < HANDLES; i++) {
    prop_set_string(own, kOfxInteractPropSlaveToParam, 2 + 2 * i, handle_names[i]);
    prop_set_string(own, kOfxInteractPropSlaveToParam, 3 + 2 * i, sign_names[i]);
  }
  return kOfxStatOK;
}

OfxStatus overlay_entry(const char *action, const void *handle, OfxPropertySetHandle in, OfxPropertySetHandle out) {
  OfxInteractHandle interact = (OfxInteractHandle)(uintptr_t)handle;
  (void)out;
  if (!host() || !action) return kOfxStatReplyDefault;
  if (strcmp(action, kOfxActionDescribeInteract) == 0) return kOfxStatOK;
  OfxPropertySetHandle own = props_of(interact);
  if (!own) return kOfxStatReplyDefault;
  if (strcmp(action, kOfxActionCreateInstanceInteract) == 0) return create(own);
  Overlay *overlay = prop_pointer(own, kOfxPropInstanceData);
  if (strcmp(action, kOfxActionDestroyInstanceInteract) == 0) {
    free(overlay);
    prop_set_pointer(own, kOfxPropInstanceData, NULL);
    return kOfxStatOK;
  }
  Instance *instance = effect_of(own);
  if (!instance || !overlay) return kOfxStatReplyDefault;
  if (strcmp(action, kOfxInteractActionDraw) == 0) return draw(instance, in, own);
  if (strcmp(action, kOfxInteractActionPenDown) == 0) return pen_down(instance, overlay, in, own);
  if (strcmp(action, kOfxInteractActionPenMotion) == 0) return pen_motion(instance, overlay, in, interact);
  if (strcmp(action, kOfxInteractActionPenUp) == 0 && overlay->held) {
    overlay->held = 0;
    return kOfxStatOK;
  }
  return kOfxStatReplyDefault;
}
