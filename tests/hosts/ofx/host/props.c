#include "host.h"

#include <stdlib.h>
#include <string.h>

void props_init(Props *set) {
  memset(set, 0, sizeof *set);
  pthread_mutex_init(&set->lock, NULL);
}

void props_clear(Props *set) {
  while (set->first) {
    Prop *p = set->first;
    set->first = p->next;
    for (int i = 0; i < 32; i++) free(p->strings[i]);
    free(p->name);
    free(p);
  }
  pthread_mutex_destroy(&set->lock);
}

static Prop *find(Props *set, const char *name) {
  for (Prop *p = set->first; p; p = p->next)
    if (strcmp(p->name, name) == 0) return p;
  return NULL;
}

static Prop *make(Props *set, const char *name, int index) {
  Prop *p = find(set, name);
  if (!p) {
    p = calloc(1, sizeof *p);
    p->name = strdup(name);
    p->next = set->first;
    set->first = p;
  }
  if (index >= p->count) p->count = index + 1;
  return p;
}

void props_set_string(Props *set, const char *name, int index, const char *value) {
  pthread_mutex_lock(&set->lock);
  Prop *p = make(set, name, index);
  char *old = p->strings[index];
  p->strings[index] = strdup(value);
  free(old);
  pthread_mutex_unlock(&set->lock);
}

void props_set_number(Props *set, const char *name, int index, double value) {
  pthread_mutex_lock(&set->lock);
  make(set, name, index)->numbers[index] = value;
  pthread_mutex_unlock(&set->lock);
}

void props_set_pointer(Props *set, const char *name, void *value) {
  pthread_mutex_lock(&set->lock);
  make(set, name, 0)->pointers[0] = value;
  pthread_mutex_unlock(&set->lock);
}

const char *props_string(Props *set, const char *name, int index, const char *otherwise) {
  pthread_mutex_lock(&set->lock);
  Prop *p = find(set, name);
  const char *found = p && index < p->count && p->strings[index] ? p->strings[index] : otherwise;
  pthread_mutex_unlock(&set->lock);
  return found;
}

double props_number(Props *set, const char *name, int index, double otherwise) {
  pthread_mutex_lock(&set->lock);
  Prop *p = find(set, name);
  double found = p && index < p->count ? p->numbers[index] : otherwise;
  pthread_mutex_unlock(&set->lock);
  return found;
}

void *props_pointer(Props *set, const char *name) {
  pthread_mutex_lock(&set->lock);
  Prop *p = find(set, name);
  void *found = p ? p->pointers[0] : NULL;
  pthread_mutex_unlock(&set->lock);
  return found;
}

static int has(Props *set, const char *name, int index) {
  pthread_mutex_lock(&set->lock);
  Prop *p = find(set, name);
  int found = p && index >= 0 && index < p->count;
  pthread_mutex_unlock(&set->lock);
  return found;
}

static OfxStatus set_string(OfxPropertySetHandle s, const char *n, int i, const char *v) {
  return i < 0 || i >= 32 ? kOfxStatErrBadIndex : (props_set_string(s, n, i, v), kOfxStatOK);
}
static OfxStatus set_double(OfxPropertySetHandle s, const char *n, int i, double v) {
  return i < 0 || i >= 32 ? kOfxStatErrBadIndex : (props_set_number(s, n, i, v), kOfxStatOK);
}
static OfxStatus set_int(OfxPropertySetHandle s, const char *n, int i, int v) { return set_double(s, n, i, v); }
static OfxStatus set_pointer(OfxPropertySetHandle s, const char *n, int i, void *v) {
  return i ? kOfxStatErrBadIndex : (props_set_pointer(s, n, v), kOfxStatOK);
}

static OfxStatus get_string(OfxPropertySetHandle s, const char *n, int i, char **v) {
  if (!has(s, n, i)) return kOfxStatErrUnknown;
  *v = (char *)(uintptr_t)props_string(s, n, i, NULL);
  return *v ? kOfxStatOK : kOfxStatErrUnknown;
}

static OfxStatus get_double(OfxPropertySetHandle s, const char *n, int i, double *v) {
  if (!has(s, n, i)) return kOfxStatErrUnknown;
  *v = props_number(s, n, i, 0);
  return kOfxStatOK;
}

static OfxStatus get_int(OfxPropertySetHandle s, const char *n, int i, int *v) {
  double d;
  OfxStatus r = get_double(s, n, i, &d);
  if (r == kOfxStatOK) *v = (int)d;
  return r;
}

static OfxStatus get_pointer(OfxPropertySetHandle s, const char *n, int i, void **v) {
  if (i || !has(s, n, 0)) return kOfxStatErrUnknown;
  *v = props_pointer(s, n);
  return kOfxStatOK;
}

static OfxStatus dimension(OfxPropertySetHandle s, const char *n, int *v) {
  pthread_mutex_lock(&s->lock);
  Prop *p = find(s, n);
  if (p) *v = p->count;
  pthread_mutex_unlock(&s->lock);
  return p ? kOfxStatOK : kOfxStatErrUnknown;
}

OfxPropertySuiteV1 property_suite = {.propSetPointer = set_pointer,
                                     .propSetString = set_string,
                                     .propSetDouble = set_double,
                                     .propSetInt = set_int,
                                     .propGetPointer = get_pointer,
                                     .propGetString = get_string,
                                     .propGetDouble = get_double,
                                     .propGetInt = get_int,
                                     .propGetDimension = dimension};
