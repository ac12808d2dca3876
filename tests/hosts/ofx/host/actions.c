#include "host.h"

#include "system.h"

#include <stdlib.h>

OfxPluginEntryPoint *main_entry;
OfxPlugin *plugin;
static OfxHost host_struct = {&host_props, fetch_suite};

Effect *effect_new(void) {
  Effect *e = calloc(1, sizeof *e);
  props_init(&e->props);
  props_init(&e->params.props);
  e->connected = 1;
  e->aspect = 1;
  atomic_store(&e->abort_after, -1);
  return e;
}

void effect_free(Effect *e) {
  for (int i = 0; i < e->clip_count; i++) props_clear(&e->clips[i].props);
  props_clear(&e->props);
  params_clear(&e->params);
  free(e->frames);
  free(e);
}

Effect *describe(const char *context, OfxStatus status[2]) {
  Effect *e = effect_new();
  Props in;
  props_init(&in);
  props_set_string(&in, kOfxImageEffectPropContext, 0, context);
  status[0] = main_entry(kOfxActionDescribe, e, NULL, NULL);
  status[1] = main_entry(kOfxImageEffectActionDescribeInContext, e, &in, NULL);
  props_clear(&in);
  return e;
}

Effect *create(Effect *from, const char *context, OfxStatus *status) {
  Effect *e = effect_new();
  OfxPropertySetHandle p;
  props_set_string(&e->props, kOfxImageEffectPropContext, 0, context);
  params_copy(&e->params, &from->params);
  effect_suite.clipDefine(e, kOfxImageEffectSimpleSourceClipName, &p);
  effect_suite.clipDefine(e, kOfxImageEffectOutputClipName, &p);
  *status = main_entry(kOfxActionCreateInstance, e, NULL, NULL);
  e->params.effect = e;
  return e;
}

OfxStatus press(Effect *e, const char *param, double time, const char *reason, double source_frame) {
  Props in;
  props_init(&in);
  props_set_string(&in, kOfxPropType, 0, kOfxTypeParameter);
  props_set_string(&in, kOfxPropName, 0, param);
  props_set_string(&in, kOfxPropChangeReason, 0, reason);
  props_set_number(&in, kOfxPropTime, 0, time);
  if (source_frame >= 0) props_set_number(&in, kTmImageEffectPropSrcFrame, 0, source_frame);
  void *before = locale_enter();
  OfxStatus r = main_entry(kOfxActionInstanceChanged, e, &in, NULL);
  locale_leave(before);
  props_clear(&in);
  return r;
}

OfxStatus render(Effect *e, Image *target, double time, const int window[4], double scale, double source_frame) {
  Props in;
  props_init(&in);
  props_set_number(&in, kOfxPropTime, 0, time);
  for (int i = 0; i < 4; i++) props_set_number(&in, kOfxImageEffectPropRenderWindow, i, window[i]);
  for (int i = 0; i < 2; i++) props_set_number(&in, kOfxImageEffectPropRenderScale, i, scale);
  props_set_string(&in, kOfxImageEffectPropFieldToRender, 0, kOfxImageFieldNone);
  if (source_frame >= 0) props_set_number(&in, kTmImageEffectPropSrcFrame, 0, source_frame);
  render_target = target;
  render_time = time;
  OfxStatus r = main_entry(kOfxImageEffectActionRender, e, &in, NULL);
  render_target = NULL;
  props_clear(&in);
  return r;
}

void set_host(void) { plugin->setHost(&host_struct); }
