#include "host.h"

#include "sys.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define HOSTS 8

static _Atomic(OfxHost *) given;
static _Atomic(const Suites *) current;
static Suites kept[HOSTS];
static unsigned used;
static SysMutex lock = SYS_MUTEX_INIT;

void host_set(OfxHost *h) { atomic_store(&given, h); }

const Suites *host(void) { return atomic_load(&current); }

static const void *fetch(const OfxHost *h, const char *name, int version) {
  return h->fetchSuite(h->host, name, version);
}

static int same(const Suites *a, const Suites *b) {
  return a->host == b->host && a->props == b->props && a->params == b->params && a->effects == b->effects &&
         a->message2 == b->message2 && a->message1 == b->message1 && a->progress2 == b->progress2 &&
         a->progress1 == b->progress1 && a->timeline == b->timeline && a->interact == b->interact &&
         a->draw == b->draw && a->temporal == b->temporal && strcmp(a->name, b->name) == 0;
}

static int usable(const Suites *s) {
  const OfxPropertySuiteV1 *p = s->props;
  const OfxParameterSuiteV1 *q = s->params;
  const OfxImageEffectSuiteV1 *e = s->effects;
  return p && q && e && p->propSetString && p->propSetInt && p->propSetDouble && p->propGetString && p->propGetInt &&
         p->propGetDouble && p->propGetPointer && q->paramDefine && q->paramGetHandle && q->paramGetValue &&
         e->getPropertySet && e->getParamSet && e->clipDefine && e->clipGetHandle && e->clipGetImage &&
         e->clipReleaseImage;
}

static void read_traits(Suites *s, const OfxHost *h) {
  char *name = NULL;
  int temporal = 0;
  if (s->props->propGetString(h->host, kOfxPropLabel, 0, &name) != kOfxStatOK || !name || !*name)
    if (s->props->propGetString(h->host, kOfxPropName, 0, &name) != kOfxStatOK || !name) name = NULL;
  snprintf(s->name, sizeof s->name, "%s", name ? name : "unknown");
  s->props->propGetInt(h->host, kOfxImageEffectPropTemporalClipAccess, 0, &temporal);
  s->temporal = temporal != 0;
}

/* Hosts load again and again, some of them while frames are being rendered: what is in use is replaced only by
 * something else, and stays as it is for a few more loads by other hosts, of which no process has that many. */
OfxStatus host_load(void) {
  const OfxHost *h = atomic_load(&given);
  if (!h || !h->fetchSuite) return kOfxStatErrMissingHostFeature;
  Suites found = {0}, *s = &found;
  s->host = h;
  s->props = fetch(h, kOfxPropertySuite, 1);
  s->params = fetch(h, kOfxParameterSuite, 1);
  s->effects = fetch(h, kOfxImageEffectSuite, 1);
  s->message2 = fetch(h, kOfxMessageSuite, 2);
  s->message1 = s->message2 ? NULL : fetch(h, kOfxMessageSuite, 1);
  s->progress2 = fetch(h, kOfxProgressSuite, 2);
  s->progress1 = s->progress2 ? NULL : fetch(h, kOfxProgressSuite, 1);
  s->timeline = fetch(h, kOfxTimeLineSuite, 1);
  s->interact = fetch(h, kOfxInteractSuite, 1);
  s->draw = fetch(h, kOfxDrawSuite, 1);
  if (!usable(s)) return kOfxStatErrMissingHostFeature;
  read_traits(s, h);
  sys_lock(&lock);
  const Suites *old = atomic_load(&current);
  if (!old || !same(old, s)) {
    Suites *to = &kept[used++ % HOSTS];
    *to = found;
    atomic_store(&current, to);
  }
  sys_unlock(&lock);
  return kOfxStatOK;
}

int prop_int(OfxPropertySetHandle set, const char *name, int index, int otherwise) {
  int value = 0;
  return set && host()->props->propGetInt(set, name, index, &value) == kOfxStatOK ? value : otherwise;
}

double prop_double(OfxPropertySetHandle set, const char *name, int index, double otherwise) {
  double value = 0;
  return set && host()->props->propGetDouble(set, name, index, &value) == kOfxStatOK ? value : otherwise;
}

void *prop_pointer(OfxPropertySetHandle set, const char *name) {
  void *value = NULL;
  return set && host()->props->propGetPointer(set, name, 0, &value) == kOfxStatOK ? value : NULL;
}

const char *prop_string(OfxPropertySetHandle set, const char *name, int index) {
  char *value = NULL;
  return set && host()->props->propGetString(set, name, index, &value) == kOfxStatOK && value ? value : "";
}

int prop_has(OfxPropertySetHandle set, const char *name, int values) {
  int n = 0;
  const OfxPropertySuiteV1 *p = host()->props;
  return set && p->propGetDimension && p->propGetDimension(set, name, &n) == kOfxStatOK && n >= values;
}

void prop_set_int(OfxPropertySetHandle set, const char *name, int index, int value) {
  if (set) host()->props->propSetInt(set, name, index, value);
}

void prop_set_double(OfxPropertySetHandle set, const char *name, int index, double value) {
  if (set) host()->props->propSetDouble(set, name, index, value);
}

void prop_set_string(OfxPropertySetHandle set, const char *name, int index, const char *value) {
  if (set) host()->props->propSetString(set, name, index, value);
}

void prop_set_pointer(OfxPropertySetHandle set, const char *name, void *value) {
  if (set && host()->props->propSetPointer) host()->props->propSetPointer(set, name, 0, value);
}

OfxPropertySetHandle effect_props(OfxImageEffectHandle effect) {
  OfxPropertySetHandle set = NULL;
  return host()->effects->getPropertySet(effect, &set) == kOfxStatOK ? set : NULL;
}

OfxParamSetHandle effect_params(OfxImageEffectHandle effect) {
  OfxParamSetHandle set = NULL;
  return host()->effects->getParamSet(effect, &set) == kOfxStatOK ? set : NULL;
}

OfxImageClipHandle effect_clip(OfxImageEffectHandle effect, const char *name, OfxPropertySetHandle *props) {
  OfxImageClipHandle clip = NULL;
  OfxPropertySetHandle set = NULL;
  int ok = host()->effects->clipGetHandle(effect, name, &clip, &set) == kOfxStatOK;
  if (props) *props = ok ? set : NULL;
  return ok ? clip : NULL;
}

int effect_aborted(OfxImageEffectHandle effect) { return host()->effects->abort && host()->effects->abort(effect); }

void progress_start(OfxImageEffectHandle effect, const char *label) {
  const Suites *s = host();
  if (s->progress2 && s->progress2->progressStart)
    s->progress2->progressStart(effect, label, "trackmatte");
  else if (s->progress1 && s->progress1->progressStart)
    s->progress1->progressStart(effect, label);
}

int progress_update(OfxImageEffectHandle effect, double share) {
  const Suites *s = host();
  if (s->progress2 && s->progress2->progressUpdate)
    return s->progress2->progressUpdate(effect, share) != kOfxStatReplyNo;
  if (s->progress1 && s->progress1->progressUpdate)
    return s->progress1->progressUpdate(effect, share) != kOfxStatReplyNo;
  return 1;
}

void progress_end(OfxImageEffectHandle effect) {
  const Suites *s = host();
  if (s->progress2 && s->progress2->progressEnd)
    s->progress2->progressEnd(effect);
  else if (s->progress1 && s->progress1->progressEnd)
    s->progress1->progressEnd(effect);
}
