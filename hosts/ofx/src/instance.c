#include "instance.h"

#include <stdlib.h>
#include <string.h>

OfxStatus instance_create(OfxImageEffectHandle effect) {
  OfxPropertySetHandle props = effect_props(effect);
  Instance *instance = calloc(1, sizeof *instance);
  if (!instance || !props) {
    free(instance);
    return kOfxStatErrMemory;
  }
  sys_mutex_init(&instance->lock);
  instance->effect = effect;
  instance->params = effect_params(effect);
  instance->source = effect_clip(effect, kOfxImageEffectSimpleSourceClipName, &instance->source_props);
  instance->output = effect_clip(effect, kOfxImageEffectOutputClipName, NULL);
  prop_set_pointer(props, kOfxPropInstanceData, instance);
  return kOfxStatOK;
}

OfxStatus instance_destroy(OfxImageEffectHandle effect) {
  Instance *instance = instance_of(effect);
  if (!instance) return kOfxStatOK;
  prop_set_pointer(effect_props(effect), kOfxPropInstanceData, NULL);
  sys_mutex_end(&instance->lock);
  free(instance);
  return kOfxStatOK;
}

Instance *instance_of(OfxImageEffectHandle effect) { return prop_pointer(effect_props(effect), kOfxPropInstanceData); }

Trouble trouble_of(ClientState state) {
  switch (state) {
  case CLIENT_OK: return TROUBLE_NONE;
  case CLIENT_QUIT: return TROUBLE_CALLED_OFF;
  case CLIENT_ABSENT: return TROUBLE_NO_ENGINE;
  case CLIENT_FOREIGN: return TROUBLE_FOREIGN;
  case CLIENT_OTHER: return TROUBLE_VERSION;
  case CLIENT_SLOW: return TROUBLE_SLOW;
  case CLIENT_BROKEN: return TROUBLE_BROKEN;
  case CLIENT_CROWDED: return TROUBLE_CROWDED;
  case CLIENT_NO_PIXELS: return TROUBLE_NO_PIXELS;
  case CLIENT_NO_MEMORY: return TROUBLE_MEMORY;
  default: return TROUBLE_REFUSED;
  }
}

const char *trouble_text(Trouble trouble) {
  switch (trouble) {
  case TROUBLE_NO_ENGINE: return "The Trackmatte engine is not running; press a Track button to start it.";
  case TROUBLE_FOREIGN:
    return "The Trackmatte engine's socket belongs to another user; set TRACKMATTE_RUNTIME to a folder of your own.";
  case TROUBLE_VERSION: return "The Trackmatte engine and this plug-in are of different versions; update both.";
  case TROUBLE_SLOW: return "The Trackmatte engine does not answer; the source is shown.";
  case TROUBLE_BROKEN: return "The connection to the Trackmatte engine broke off; the source is shown.";
  case TROUBLE_CROWDED:
    return "Too many frames are being rendered at once for the Trackmatte engine; the source is shown.";
  case TROUBLE_NO_PIXELS:
    return "On this system pictures cannot be exchanged with the Trackmatte engine yet; the source is shown.";
  case TROUBLE_MEMORY: return "There is not enough memory; the source is shown.";
  case TROUBLE_REFUSED: return "The Trackmatte engine refused; the source is shown.";
  case TROUBLE_NO_SESSION:
    return "Nothing was tracked yet: put points on the subject, press Set at frame, Track and Matte.";
  case TROUBLE_MISS: return "This frame has no matte yet; press Track and Matte.";
  case TROUBLE_BUSY: return "This frame's matte is being made.";
  case TROUBLE_STALE:
    return "The matte was made from other prompts, settings or pictures than these; press Track and Matte.";
  case TROUBLE_NO_ALPHA: return "This picture has no alpha channel for the matte; choose Matte as RGB or Cut-out.";
  case TROUBLE_IMAGE: return "The host's picture cannot be used; the source is shown.";
  default: return "";
  }
}

/* Warnings, never errors: some hosts stop rendering at an effect that shows one. */
void instance_tell(Instance *instance, Trouble trouble, const char *more) {
  if (trouble == TROUBLE_CALLED_OFF) return;
  sys_lock(&instance->lock);
  int changed = instance->told != (int)trouble;
  instance->told = (int)trouble;
  sys_unlock(&instance->lock);
  if (!changed) return;
  const Suites *s = host();
  const char *text = more && *more ? more : trouble_text(trouble);
  if (s->message2) {
    if (trouble == TROUBLE_NONE && s->message2->clearPersistentMessage)
      s->message2->clearPersistentMessage(instance->effect);
    if (trouble != TROUBLE_NONE && s->message2->setPersistentMessage)
      s->message2->setPersistentMessage(instance->effect, kOfxMessageWarning, "trackmatte", "%s", text);
  } else if (s->message1 && s->message1->message && trouble != TROUBLE_NONE) {
    s->message1->message(instance->effect, kOfxMessageLog, "trackmatte", "%s", text);
  }
}

void instance_forget(Instance *instance) {
  sys_lock(&instance->lock);
  instance->told = -1;
  sys_unlock(&instance->lock);
}

void instance_status(Instance *instance, const char *text) { param_set_string(instance->params, P_STATUS, text); }
