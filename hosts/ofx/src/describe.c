#include "actions.h"

#include <string.h>

OfxStatus action_describe(OfxImageEffectHandle effect) {
  OfxPropertySetHandle p = effect_props(effect);
  if (!p) return kOfxStatErrBadHandle;
  static const char *const depths[4] = {kOfxBitDepthFloat, kOfxBitDepthHalf, kOfxBitDepthShort, kOfxBitDepthByte};
  prop_set_string(p, kOfxPropLabel, 0, "Trackmatte");
  prop_set_string(p, kOfxPropShortLabel, 0, "Trackmatte");
  prop_set_string(p, kOfxPropLongLabel, 0, "Trackmatte");
  prop_set_string(p, kOfxPropVersionLabel, 0, CLIENT_VERSION_TEXT);
  prop_set_string(p, kOfxPropPluginDescription, 0,
                  "Tracks a subject through a clip and pulls a soft matte for every frame.");
  prop_set_string(p, kOfxImageEffectPluginPropGrouping, 0, "Keyer");
  prop_set_string(p, kOfxImageEffectPropSupportedContexts, 0, kOfxImageEffectContextFilter);
  prop_set_string(p, kOfxImageEffectPropSupportedContexts, 1, kOfxImageEffectContextGeneral);
  for (int i = 0; i < 4; i++) prop_set_string(p, kOfxImageEffectPropSupportedPixelDepths, i, depths[i]);
  prop_set_int(p, kOfxImageEffectPluginPropSingleInstance, 0, 0);
  prop_set_int(p, kOfxImageEffectPluginPropHostFrameThreading, 0, 0);
  prop_set_int(p, kOfxImageEffectPropSupportsMultiResolution, 0, 1);
  prop_set_int(p, kOfxImageEffectPropSupportsTiles, 0, 0);
  prop_set_int(p, kOfxImageEffectPropTemporalClipAccess, 0, 1);
  prop_set_int(p, kOfxImageEffectInstancePropSequentialRender, 0, 0);
  prop_set_int(p, kOfxImageEffectPropSupportsMultipleClipDepths, 0, 0);
  prop_set_int(p, kOfxImageEffectPropSupportsMultipleClipPARs, 0, 0);
  prop_set_string(p, kOfxImageEffectPropClipPreferencesSlaveParam, 0, P_OUTPUT);
  prop_set_string(p, kOfxImageEffectPluginRenderThreadSafety, 0, kOfxImageEffectRenderInstanceSafe);
  if (host()->draw) prop_set_pointer(p, kOfxImageEffectPluginPropOverlayInteractV2, (void *)(uintptr_t)overlay_entry);
  return kOfxStatOK;
}

static OfxPropertySetHandle clip(OfxImageEffectHandle effect, const char *name) {
  OfxPropertySetHandle p = NULL;
  return host()->effects->clipDefine(effect, name, &p) == kOfxStatOK ? p : NULL;
}

OfxStatus action_describe_in_context(OfxImageEffectHandle effect, OfxPropertySetHandle in) {
  const char *const names[2] = {kOfxImageEffectSimpleSourceClipName, kOfxImageEffectOutputClipName};
  for (int i = 0; i < 2; i++) {
    OfxPropertySetHandle p = clip(effect, names[i]);
    prop_set_string(p, kOfxImageEffectPropSupportedComponents, 0, kOfxImageComponentRGBA);
    prop_set_string(p, kOfxImageEffectPropSupportedComponents, 1, kOfxImageComponentRGB);
    prop_set_int(p, kOfxImageEffectPropSupportsTiles, 0, 0);
    if (i == 0) prop_set_int(p, kOfxImageEffectPropTemporalClipAccess, 0, 1);
  }
  (void)in;
  params_define(effect_params(effect));
  return kOfxStatOK;
}

OfxStatus action_clip_preferences(Instance *instance, OfxPropertySetHandle out) {
  static const char *const kinds[OUTPUT_COUNT] = {kOfxImageUnPreMultiplied, kOfxImageOpaque, kOfxImagePreMultiplied,
                                                  NULL, NULL};
  const int output = param_choice(instance->params, P_OUTPUT, 0, OUTPUT_COUNT);
  const char *kind = kinds[output];
  const char *context = prop_string(effect_props(instance->effect), kOfxImageEffectPropContext, 0);
  if (!kind) return kOfxStatReplyDefault;
  /* A filter's output has the components of its source, and may not change them. */
  if (output != OUTPUT_RGB && strcmp(context, kOfxImageEffectContextGeneral) == 0)
    prop_set_string(out, "OfxImageClipPropComponents_" kOfxImageEffectOutputClipName, 0, kOfxImageComponentRGBA);
  prop_set_string(out, kOfxImageEffectPropPreMultiplication, 0, kind);
  return kOfxStatOK;
}

OfxStatus action_is_identity(Instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out) {
  OfxTime time = prop_double(in, kOfxPropTime, 0, 0);
  if (param_choice(instance->params, P_OUTPUT, time, OUTPUT_COUNT) != OUTPUT_SOURCE) return kOfxStatReplyDefault;
  instance_tell(instance, TROUBLE_NONE, NULL); /* there is no render that would take a message back */
  prop_set_string(out, kOfxPropName, 0, kOfxImageEffectSimpleSourceClipName);
  prop_set_double(out, kOfxPropTime, 0, time);
  return kOfxStatOK;
}
