#include "actions.h"
#include "matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef RENDER_MOST
#define RENDER_MOST 2000 /* ms for everything the engine is asked for one frame */
#endif

static int aborted(void *effect) { return effect_aborted(effect); }

int64_t frame_key(OfxPropertySetHandle said, OfxTime time, int64_t offset) {
  if (said && prop_has(said, kTmImageEffectPropSrcFrame, 1)) {
    double number = prop_double(said, kTmImageEffectPropSrcFrame, 0, NAN);
    if (!isfinite(number)) number = prop_int(said, kTmImageEffectPropSrcFrame, 0, -1);
    if (number >= 0) return llround(number);
  }
  return (fabs(time) < 1e9 ? llround(time) : 0) + offset;
}

static void ask_text(Text *json, const Settings *settings, int64_t key, Plane plane, const char *hash) {
  text_format(json, "{\"session\": \"%s\", \"key\": %lld, \"hash\": \"%s\", \"pixels\": ", settings->session,
              (long long)key, hash);
  text_format(json,
              "{\"offset\": 0, \"w\": %d, \"h\": %d, \"stride\": %lld, \"depth\": \"float\", \"comps\": 1, "
              "\"premult\": false}}",
              plane.w, plane.h, (long long)plane.w * 4);
}

/* Take the engine's floats as they are in this moment, and nothing outside [0, 1]. */
static void take_over(Plane plane, const unsigned char *from) {
  const size_t n = (size_t)plane.w * (size_t)plane.h;
  memcpy(plane.v, from, n * sizeof *plane.v);
  for (size_t i = 0; i < n; i++) plane.v[i] = plane.v[i] > 0.0f ? plane.v[i] < 1.0f ? plane.v[i] : 1.0f : 0.0f;
}

static Trouble trouble_in(const Client *client, char *note, size_t size) {
  char state[16] = "";
  int stale = 0;
  json_string(&client->json, 0, "state", state, sizeof state);
  json_flag(&client->json, 0, "stale", &stale);
  if (!json_string(&client->json, 0, "note", note, size)) *note = 0;
  if (strcmp(state, "hit") == 0) return stale ? TROUBLE_STALE : TROUBLE_NONE;
  if (strcmp(state, "busy") == 0) return TROUBLE_BUSY;
  if (strcmp(state, "miss") == 0) return TROUBLE_MISS;
  return TROUBLE_REFUSED;
}

static ClientState ask(Client *client, const Settings *settings, int64_t key, Plane plane, const char *hash,
                       const SysWait *wait) {
  ClientState state = session_open(client, settings, 0, wait);
  if (state == CLIENT_OK) state = client_share(client, (size_t)plane.w * (size_t)plane.h * 4, wait);
  if (state != CLIENT_OK) return state;
  Text json = {0};
  ask_text(&json, settings, key, plane, hash);
  state = client_ask(client, WIRE_MATTE, &json, WIRE_OK, wait);
  if (state == CLIENT_REFUSED && strcmp(client->code, "not_found") == 0) { /* the engine was restarted meanwhile */
    state = session_open(client, settings, 1, wait);
    if (state == CLIENT_OK) state = client_ask(client, WIRE_MATTE, &json, WIRE_OK, wait);
  }
  text_free(&json);
  return state;
}

/* The matte of a frame; anything but TROUBLE_NONE and TROUBLE_STALE leaves the plane undefined. */
static Trouble fetch(Instance *instance, const Settings *settings, int64_t key, const Picture *source, Plane plane,
                     char *note, size_t size) {
  SysWait wait = {sys_now() + RENDER_MOST, aborted, instance->effect};
  Client *client = NULL;
  char hash[17];
  *note = 0;
  if (!settings->session[0]) return TROUBLE_NO_SESSION;
  ClientState state = client_take(&client, host()->name, 0, &wait);
  if (state != CLIENT_OK) return trouble_of(state);
  const int64_t left = wait.end - sys_now(); /* the engine's time, without what is done here */
  picture_hash(source, hash);
  wait.end = sys_now() + left;
  state = ask(client, settings, key, plane, hash, &wait);
  Trouble trouble = trouble_of(state);
  if (state == CLIENT_OK) trouble = trouble_in(client, note, size);
  if (state == CLIENT_REFUSED) text_clean(note, size, client->message, strlen(client->message));
  if (trouble == TROUBLE_NONE || trouble == TROUBLE_STALE) take_over(plane, client->slots.base);
  client_give(client, state);
  return trouble;
}

static int shape(Plane plane, const Settings *settings, double scale, const SysWait *wait) {
  return plane_grow(plane, settings->grow * scale, wait) && plane_blur(plane, settings->feather * scale, wait);
}

/* Put the chosen picture into the output, which holds the source already. */
static void show(Instance *instance, const Settings *settings, int64_t key, const Picture *source,
                 const Picture *output, OfxRectI window, double scale) {
  char note[512] = "";
  Plane plane = {NULL, source->whole.x2 - source->whole.x1, source->whole.y2 - source->whole.y1};
  plane.v = malloc((size_t)plane.w * (size_t)plane.h * sizeof *plane.v);
  if (!plane.v) {
    instance_tell(instance, TROUBLE_MEMORY, NULL);
    return;
  }
  Trouble trouble = fetch(instance, settings, key, source, plane, note, sizeof note);
  if (trouble == TROUBLE_NONE || trouble == TROUBLE_STALE) {
    /* No limit in time: this is the host's own processor at work, and its word to stop counts. */
    SysWait wait = {INT64_MAX, aborted, instance->effect};
    int fine = shape(plane, settings, scale, &wait);
    fine = fine && merge(source, output, window, plane, (Output)settings->output, settings->blur * scale, &wait);
    if (!fine) trouble = effect_aborted(instance->effect) ? TROUBLE_CALLED_OFF : TROUBLE_MEMORY;
    if (fine && settings->output == OUTPUT_ALPHA && output->components == 3) trouble = TROUBLE_NO_ALPHA;
  }
  free(plane.v);
  instance_tell(instance, trouble, note);
}

static OfxPropertySetHandle image_of(OfxImageClipHandle clip, OfxTime time, Picture *picture) {
  OfxPropertySetHandle image = NULL;
  if (!clip || host()->effects->clipGetImage(clip, time, NULL, &image) != kOfxStatOK || !image) return NULL;
  if (picture_read(image, picture)) return image;
  host()->effects->clipReleaseImage(image);
  return NULL;
}

static OfxRectI window_of(OfxPropertySetHandle in, const Picture *output) {
  OfxRectI r = output->bounds;
  int *to[4] = {&r.x1, &r.y1, &r.x2, &r.y2};
  for (int i = 0; i < 4; i++) *to[i] = prop_int(in, kOfxImageEffectPropRenderWindow, i, *to[i]);
  return rect_common(r, output->bounds);
}

OfxStatus action_render(Instance *instance, OfxPropertySetHandle in) {
  const OfxTime time = prop_double(in, kOfxPropTime, 0, 0);
  const double scale = prop_double(in, kOfxImageEffectPropRenderScale, 0, 1);
  Picture source, output;
  Settings settings;
  OfxPropertySetHandle to = image_of(instance->output, time, &output);
  if (!to) {
    if (!effect_aborted(instance->effect)) instance_tell(instance, TROUBLE_IMAGE, NULL);
    return kOfxStatOK;
  }
  OfxRectI window = window_of(in, &output);
  OfxPropertySetHandle from = image_of(instance->source, time, &source);
  if (!from) {
    picture_clear(&output, window);
  } else {
    params_read(instance->params, time, &settings);
    picture_copy(&source, &output, window);
    if (settings.output != OUTPUT_SOURCE)
      show(instance, &settings, frame_key(in, time, settings.offset), &source, &output, window,
           scale > 0 && scale <= 16 ? scale : 1);
    else
      instance_tell(instance, TROUBLE_NONE, NULL);
    host()->effects->clipReleaseImage(from);
  }
  host()->effects->clipReleaseImage(to);
  return kOfxStatOK;
}
