#include "host.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

Param *params_find(struct OfxParamSetStruct *set, const char *name) {
  for (Param *p = set->first; p; p = p->next)
    if (strcmp(p->name, name) == 0) return p;
  return NULL;
}

void param_set_text(Param *p, const char *text) {
  pthread_mutex_lock(&lock);
  free(p->old[3]);
  memmove(p->old + 1, p->old, 3 * sizeof *p->old);
  p->old[0] = p->s; /* what the plug-in got last stays valid for a while */
  p->s = strdup(text);
  pthread_mutex_unlock(&lock);
}

static Param *add(struct OfxParamSetStruct *set, const char *type, const char *name) {
  Param *p = calloc(1, sizeof *p);
  snprintf(p->name, sizeof p->name, "%s", name);
  snprintf(p->type, sizeof p->type, "%s", type);
  props_init(&p->props);
  p->set = set;
  p->s = strdup("");
  Param **end = &set->first;
  while (*end) end = &(*end)->next;
  return *end = p;
}

void params_clear(struct OfxParamSetStruct *set) {
  while (set->first) {
    Param *p = set->first;
    set->first = p->next;
    props_clear(&p->props);
    for (int i = 0; i < 4; i++) free(p->old[i]);
    free(p->s);
    free(p);
  }
  props_clear(&set->props);
}

void params_copy(struct OfxParamSetStruct *to, struct OfxParamSetStruct *from) {
  for (Param *p = from->first; p; p = p->next) {
    Param *q = add(to, p->type, p->name);
    q->v[0] = props_number(&p->props, kOfxParamPropDefault, 0, 0);
    q->v[1] = props_number(&p->props, kOfxParamPropDefault, 1, 0);
    free(q->s);
    q->s = strdup(props_string(&p->props, kOfxParamPropDefault, 0, ""));
  }
}

static OfxStatus define(OfxParamSetHandle set, const char *type, const char *name, OfxPropertySetHandle *props) {
  if (!config.buttons && strcmp(type, kOfxParamTypePushButton) == 0) return kOfxStatErrUnsupported;
  if (params_find(set, name)) return kOfxStatErrExists;
  Param *p = add(set, type, name);
  if (props) *props = &p->props;
  return kOfxStatOK;
}

static OfxStatus handle(OfxParamSetHandle set, const char *name, OfxParamHandle *param, OfxPropertySetHandle *props) {
  Param *p = params_find(set, name);
  if (!p) return kOfxStatErrUnknown;
  if (param) *param = p;
  if (props) *props = &p->props;
  return kOfxStatOK;
}

static OfxStatus get(Param *p, va_list list) {
  pthread_mutex_lock(&lock);
  if (strcmp(p->type, kOfxParamTypeString) == 0)
    *va_arg(list, char **) = p->s;
  else if (strcmp(p->type, kOfxParamTypeDouble) == 0)
    *va_arg(list, double *) = p->v[0];
  else if (strcmp(p->type, kOfxParamTypeDouble2D) == 0) {
    *va_arg(list, double *) = p->v[0];
    *va_arg(list, double *) = p->v[1];
  } else {
    *va_arg(list, int *) = (int)p->v[0];
  }
  pthread_mutex_unlock(&lock);
  return kOfxStatOK;
}

static OfxStatus get_value(OfxParamHandle p, ...) {
  va_list list;
  va_start(list, p);
  OfxStatus r = get(p, list);
  va_end(list);
  return r;
}

static OfxStatus get_value_at(OfxParamHandle p, OfxTime time, ...) {
  va_list list;
  (void)time;
  va_start(list, time);
  OfxStatus r = get(p, list);
  va_end(list);
  return r;
}

static OfxStatus set_value(OfxParamHandle p, ...) {
  va_list list;
  if (render_target) atomic_fetch_add(&sets_in_render, 1);
  va_start(list, p);
  if (strcmp(p->type, kOfxParamTypeString) == 0)
    param_set_text(p, va_arg(list, const char *));
  else {
    pthread_mutex_lock(&lock);
    if (strcmp(p->type, kOfxParamTypeDouble) == 0)
      p->v[0] = va_arg(list, double);
    else if (strcmp(p->type, kOfxParamTypeDouble2D) == 0)
      p->v[0] = va_arg(list, double), p->v[1] = va_arg(list, double);
    else
      p->v[0] = va_arg(list, int);
    pthread_mutex_unlock(&lock);
  }
  va_end(list);
  /* As real hosts do: the plug-in is told of its own edit, inside the call. */
  if (p->set->effect && !render_target) press(p->set->effect, p->name, 0, kOfxChangePluginEdited, -1);
  return kOfxStatOK;
}

static OfxStatus edit_begin(OfxParamSetHandle set, const char *label) { return (void)set, (void)label, kOfxStatOK; }
static OfxStatus edit_end(OfxParamSetHandle set) { return (void)set, kOfxStatOK; }

OfxParameterSuiteV1 parameter_suite = {.paramDefine = define,
                                       .paramGetHandle = handle,
                                       .paramGetValue = get_value,
                                       .paramGetValueAtTime = get_value_at,
                                       .paramSetValue = set_value,
                                       .paramEditBegin = edit_begin,
                                       .paramEditEnd = edit_end};
