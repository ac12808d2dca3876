#include "params.h"

#include "sys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static OfxParamHandle handle_of(OfxParamSetHandle set, const char *name) {
  OfxParamHandle param = NULL;
  return set && host()->params->paramGetHandle(set, name, &param, NULL) == kOfxStatOK ? param : NULL;
}

int param_int(OfxParamSetHandle set, const char *name, OfxTime time, int otherwise) {
  const OfxParameterSuiteV1 *s = host()->params;
  OfxParamHandle param = handle_of(set, name);
  int value = otherwise;
  if (!param) return otherwise;
  OfxStatus r = s->paramGetValueAtTime ? s->paramGetValueAtTime(param, time, &value) : s->paramGetValue(param, &value);
  return r == kOfxStatOK ? value : otherwise;
}

/* MLT keeps a choice as the text of its label. Kdenlive sets its number in that place, and MLT, which finds no such
 * label, answers with the first choice. */
int param_choice(OfxParamSetHandle set, const char *name, OfxTime time, int count) {
  OfxParamHandle param = NULL;
  OfxPropertySetHandle props = NULL;
  int value = param_int(set, name, time, 0);
  if (!strcmp(host()->name, "MLT") && host()->params->paramGetHandle(set, name, &param, &props) == kOfxStatOK) {
    const char *said = prop_string(props, "MltOfxParamValue", 0);
    if (said[0] >= '0' && said[0] <= '9' && !said[1]) value = said[0] - '0';
  }
  return value >= 0 && value < count ? value : 0;
}

double param_double(OfxParamSetHandle set, const char *name, OfxTime time, double otherwise) {
  const OfxParameterSuiteV1 *s = host()->params;
  OfxParamHandle param = handle_of(set, name);
  double value = otherwise;
  if (!param) return otherwise;
  OfxStatus r = s->paramGetValueAtTime ? s->paramGetValueAtTime(param, time, &value) : s->paramGetValue(param, &value);
  return r == kOfxStatOK && isfinite(value) ? value : otherwise;
}

int param_point(OfxParamSetHandle set, const char *name, OfxTime time, OfxPointD *at) {
  const OfxParameterSuiteV1 *s = host()->params;
  OfxParamHandle param = handle_of(set, name);
  OfxPointD value = {NAN, NAN};
  if (!param) return 0;
  OfxStatus r = s->paramGetValueAtTime ? s->paramGetValueAtTime(param, time, &value.x, &value.y)
                                       : s->paramGetValue(param, &value.x, &value.y);
  *at = value;
  return r == kOfxStatOK && isfinite(value.x) && isfinite(value.y);
}

const char *param_string(OfxParamSetHandle set, const char *name) {
  OfxParamHandle param = handle_of(set, name);
  char *value = NULL;
  return param && host()->params->paramGetValue(param, &value) == kOfxStatOK && value ? value : "";
}

void param_set_string(OfxParamSetHandle set, const char *name, const char *value) {
  OfxParamHandle param = handle_of(set, name);
  if (param && host()->params->paramSetValue) host()->params->paramSetValue(param, value);
}

void param_set_int(OfxParamSetHandle set, const char *name, int value) {
  OfxParamHandle param = handle_of(set, name);
  if (param && host()->params->paramSetValue) host()->params->paramSetValue(param, value);
}

void param_set_point(OfxParamSetHandle set, const char *name, OfxPointD at) {
  OfxParamHandle param = handle_of(set, name);
  if (param && host()->params->paramSetValue) host()->params->paramSetValue(param, at.x, at.y);
}

void params_edit(OfxParamSetHandle set, const char *label) {
  if (set && host()->params->paramEditBegin) host()->params->paramEditBegin(set, label);
}

void params_edited(OfxParamSetHandle set) {
  if (set && host()->params->paramEditEnd) host()->params->paramEditEnd(set);
}

int is_session(const char *s) {
  if (strlen(s) != 36) return 0;
  for (int i = 0; i < 36; i++) {
    int dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? s[i] != '-' : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f'))) return 0;
  }
  return 1;
}

static void write_session(unsigned char b[16], int version, char to[37]) {
  b[6] = (unsigned char)((b[6] & 0x0F) | version << 4);
  b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
  int n = 0;
  for (int i = 0; i < 16; i++)
    n += snprintf(to + n, (size_t)(37 - n), i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

int new_session(char to[37]) {
  unsigned char bytes[16];
  if (!sys_random(bytes, sizeof bytes)) return 0;
  write_session(bytes, 4, to);
  return 1;
}

/* Two FNV-1a hashes of 64 bits from different starts. */
void session_of_media(const char *path, char to[37]) {
  unsigned char bytes[16];
  uint64_t h[2] = {0xcbf29ce484222325u, 0x9ae16a3b2f90404fu};
  for (; *path; path++)
    for (int i = 0; i < 2; i++) h[i] = (h[i] ^ (unsigned char)*path) * 0x100000001b3u;
  for (int i = 0; i < 16; i++) bytes[i] = (unsigned char)(h[i / 8] >> 8 * (i % 8));
  write_session(bytes, 8, to);
}

static const char *choice(const char *const names[], int index) { return index > 0 ? names[index] : ""; }

void params_read(OfxParamSetHandle set, OfxTime time, Settings *to) {
  memset(to, 0, sizeof *to);
  to->output = param_choice(set, P_OUTPUT, time, OUTPUT_COUNT);
  to->grow = fmax(-100, fmin(100, param_double(set, P_GROW, time, 0)));
  to->feather = fmax(0, fmin(100, param_double(set, P_FEATHER, time, 0)));
  to->blur = fmax(0, fmin(500, param_double(set, P_BLUR, time, 20)));
  to->tracker = choice(tracker_names, param_choice(set, P_TRACKER, time, 3));
  to->refiner = choice(refiner_names, param_choice(set, P_REFINER, time, 6));
  to->colour = choice(colour_names, param_choice(set, P_COLOUR, time, 3));
  if (!*to->colour) to->colour = colour_names[0];
  to->offset = param_int(set, P_OFFSET, time, 0);
  to->in = param_int(set, P_IN, time, 0);
  to->out = param_int(set, P_OUT, time, 0);
  snprintf(to->media, sizeof to->media, "%s", param_string(set, P_MEDIA));
  int number = param_int(set, P_NUMBER, time, 0);
  if (!to->media[0] && number > 0) snprintf(to->media, sizeof to->media, "clip:%d", number);
  const char *session = param_string(set, P_SESSION);
  if (is_session(session))
    memcpy(to->session, session, 37);
  else if (to->media[0])
    session_of_media(to->media, to->session);
}
