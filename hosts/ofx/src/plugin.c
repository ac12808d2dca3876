/* The plug-in's two entry points, and which action is whose. */
#include "actions.h"

#include <string.h>

#define IDENTIFIER "org.trackmatte.Trackmatte"

static OfxStatus plugin_action(const char *action, OfxImageEffectHandle effect, OfxPropertySetHandle in) {
  if (strcmp(action, kOfxActionLoad) == 0) return host_load();
  if (!host()) return kOfxStatErrMissingHostFeature;
  if (strcmp(action, kOfxActionUnload) == 0 || strcmp(action, kOfxActionPurgeCaches) == 0) {
    client_drop_idle();
    return kOfxStatOK;
  }
  if (strcmp(action, kOfxActionDescribe) == 0) return action_describe(effect);
  if (strcmp(action, kOfxImageEffectActionDescribeInContext) == 0) return action_describe_in_context(effect, in);
  if (strcmp(action, kOfxActionCreateInstance) == 0) return instance_create(effect);
  if (strcmp(action, kOfxActionDestroyInstance) == 0) return instance_destroy(effect);
  return kOfxStatReplyDefault;
}

static OfxStatus instance_action(const char *action, Instance *instance, OfxPropertySetHandle in,
                                 OfxPropertySetHandle out) {
  if (strcmp(action, kOfxImageEffectActionRender) == 0) return action_render(instance, in);
  if (strcmp(action, kOfxImageEffectActionIsIdentity) == 0) return action_is_identity(instance, in, out);
  if (strcmp(action, kOfxImageEffectActionGetClipPreferences) == 0) return action_clip_preferences(instance, out);
  if (strcmp(action, kOfxActionInstanceChanged) == 0) return action_changed(instance, in);
  /* Everything is in parameters, which the host saves: there is nothing to bring up to date. */
  if (strcmp(action, kOfxActionSyncPrivateData) == 0 || strcmp(action, kOfxImageEffectActionBeginSequenceRender) == 0 ||
      strcmp(action, kOfxImageEffectActionEndSequenceRender) == 0)
    return kOfxStatOK;
  return kOfxStatReplyDefault;
}

static OfxStatus entry(const char *action, const void *handle, OfxPropertySetHandle in, OfxPropertySetHandle out) {
  OfxImageEffectHandle effect = (OfxImageEffectHandle)(uintptr_t)handle;
  if (!action) return kOfxStatErrUnknown;
  OfxStatus status = plugin_action(action, effect, in);
  if (status != kOfxStatReplyDefault || !effect) return status;
  Instance *instance = instance_of(effect);
  return instance ? instance_action(action, instance, in, out) : kOfxStatReplyDefault;
}

static OfxPlugin plugin = {kOfxImageEffectPluginApi, 1, IDENTIFIER, 0, 1, host_set, entry};

OFX_EXPORT int OfxGetNumberOfPlugins(void);
OFX_EXPORT OfxPlugin *OfxGetPlugin(int nth);

int OfxGetNumberOfPlugins(void) { return 1; }
OfxPlugin *OfxGetPlugin(int nth) { return nth == 0 ? &plugin : NULL; }
