#include "host.h"

#include <stdarg.h>
#include <string.h>

Config config = {1, 2, 2, 1, 1, 1, 1};
Props host_props, interact_props;
double bounds_first, bounds_last;
int draw_calls;
atomic_int live_images, sets_in_render, guard_faults, messages, clears, progress_calls, progress_ends,
    cancel_after = -1, stop_after = -1;
pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
char last_message[2048], last_label[256];
_Thread_local Image *render_target;
_Thread_local double render_time;
static _Thread_local int inside;

static OfxStatus say(const char *type, const char *format, va_list list) {
  pthread_mutex_lock(&log_lock);
  int n = snprintf(last_message, sizeof last_message, "%s: ", type);
  vsnprintf(last_message + n, sizeof last_message - (size_t)n, format, list);
  pthread_mutex_unlock(&log_lock);
  atomic_fetch_add(&messages, 1);
  return kOfxStatOK;
}

static OfxStatus message(void *e, const char *type, const char *id, const char *format, ...) {
  va_list list;
  (void)e, (void)id;
  va_start(list, format);
  OfxStatus r = say(type, format, list);
  va_end(list);
  return r;
}

static OfxStatus clear(void *e) {
  (void)e;
  atomic_fetch_add(&clears, 1);
  return kOfxStatOK;
}

static OfxStatus progress_update(void *e, double share) {
  (void)share;
  int n = atomic_fetch_add(&progress_calls, 1);
  if (stop_after >= 0 && n >= stop_after && !inside) {
    inside = 1; /* the user presses Stop while the host serves its events */
    atomic_store(&stop_after, -1);
    press(e, "stop", 0, kOfxChangeUserEdited, -1);
    inside = 0;
  }
  return cancel_after >= 0 && n >= cancel_after ? kOfxStatReplyNo : kOfxStatOK;
}

static OfxStatus progress_start2(void *e, const char *label, const char *id) {
  (void)e, (void)id;
  snprintf(last_label, sizeof last_label, "%s", label);
  atomic_store(&progress_calls, 0);
  return kOfxStatOK;
}

static OfxStatus progress_start1(void *e, const char *label) { return progress_start2(e, label, NULL); }
static OfxStatus progress_end(void *e) { return (void)e, atomic_fetch_add(&progress_ends, 1), kOfxStatOK; }
static OfxStatus get_bounds(void *e, double *first, double *last) {
  return (void)e, *first = bounds_first, *last = bounds_last, kOfxStatOK;
}
static OfxStatus get_time(void *e, double *time) { return (void)e, *time = 0, kOfxStatOK; }
static OfxStatus interact_props_of(OfxInteractHandle i, OfxPropertySetHandle *p) {
  return (void)i, *p = &interact_props, kOfxStatOK;
}
static OfxStatus redraw(OfxInteractHandle i) { return (void)i, kOfxStatOK; }
static OfxStatus colour(OfxDrawContextHandle c, const OfxRGBAColourF *to) { return (void)c, (void)to, kOfxStatOK; }
static OfxStatus width(OfxDrawContextHandle c, float to) { return (void)c, (void)to, kOfxStatOK; }

static OfxStatus draw(OfxDrawContextHandle c, OfxDrawPrimitive what, const OfxPointD *points, int count) {
  (void)c, (void)what, (void)points, (void)count;
  draw_calls++;
  return kOfxStatOK;
}

static OfxMessageSuiteV1 message1 = {message};
static OfxMessageSuiteV2 message2 = {message, message, clear};
static OfxProgressSuiteV1 progress1 = {progress_start1, progress_update, progress_end};
static OfxProgressSuiteV2 progress2 = {progress_start2, progress_update, progress_end};
static OfxTimeLineSuiteV1 timeline = {get_time, NULL, get_bounds};
static OfxInteractSuiteV1 interact = {redraw, redraw, interact_props_of};
static OfxDrawSuiteV1 drawing = {NULL, colour, width, NULL, draw, NULL};

void take_away(const char *function) {
  struct {
    const char *name;
    void **slot;
  } all[] = {{"setPersistentMessage", (void **)&message2.setPersistentMessage},
             {"clearPersistentMessage", (void **)&message2.clearPersistentMessage},
             {"message", (void **)&message1.message},
             {"progressStart", (void **)&progress2.progressStart},
             {"progressUpdate", (void **)&progress2.progressUpdate},
             {"progressEnd", (void **)&progress2.progressEnd},
             {"getTimeBounds", (void **)&timeline.getTimeBounds},
             {"abort", (void **)&effect_suite.abort},
             {"clipGetRegionOfDefinition", (void **)&effect_suite.clipGetRegionOfDefinition},
             {"paramGetValueAtTime", (void **)&parameter_suite.paramGetValueAtTime},
             {"paramEditBegin", (void **)&parameter_suite.paramEditBegin},
             {"paramEditEnd", (void **)&parameter_suite.paramEditEnd},
             {"propGetDimension", (void **)&property_suite.propGetDimension}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, function) == 0) *all[i].slot = NULL;
}

const void *fetch_suite(OfxPropertySetHandle h, const char *name, int version) {
  (void)h;
  if (strcmp(name, kOfxPropertySuite) == 0) return &property_suite;
  if (strcmp(name, kOfxParameterSuite) == 0) return &parameter_suite;
  if (strcmp(name, kOfxImageEffectSuite) == 0) return &effect_suite;
  if (strcmp(name, kOfxMessageSuite) == 0)
    return version > config.message ? NULL : version == 2 ? (void *)&message2 : (void *)&message1;
  if (strcmp(name, kOfxProgressSuite) == 0)
    return version > config.progress ? NULL : version == 2 ? (void *)&progress2 : (void *)&progress1;
  if (strcmp(name, kOfxTimeLineSuite) == 0) return config.timeline ? &timeline : NULL;
  if (strcmp(name, kOfxInteractSuite) == 0) return config.interact ? &interact : NULL;
  if (strcmp(name, kOfxDrawSuite) == 0) return config.draw ? &drawing : NULL;
  return NULL;
}
