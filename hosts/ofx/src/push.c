#include "push.h"

#include "matte.h"

#include <stdio.h>
#include <string.h>

#define SLOTS_MOST 0x7FFF0000u /* bytes; the engine takes 2 GiB */

/* Rows from the top down without gaps; returns how many bytes, 0 = it is too large or a part of it is missing. */
static size_t size_of(const Picture *p) {
  const uint64_t size =
      (uint64_t)(p->whole.x2 - p->whole.x1) * (uint64_t)(p->whole.y2 - p->whole.y1) * picture_pixel(p);
  return picture_is_whole(p) && size <= SLOTS_MOST ? (size_t)size : 0;
}

static void lay_out(const Picture *p, unsigned char *to) {
  const size_t row = (size_t)(p->whole.x2 - p->whole.x1) * picture_pixel(p);
  for (int y = p->whole.y2 - 1; y >= p->whole.y1; y--, to += row)
    memcpy(to,
           p->data + (ptrdiff_t)(y - p->bounds.y1) * p->row +
               (ptrdiff_t)(p->whole.x1 - p->bounds.x1) * (ptrdiff_t)picture_pixel(p),
           row);
}

static void frame_text(Text *json, const Settings *settings, int64_t key, const Picture *p, const char *hash) {
  const int w = p->whole.x2 - p->whole.x1, h = p->whole.y2 - p->whole.y1;
  text_format(json, "{\"session\": \"%s\", \"key\": %lld, \"hash\": \"%s\", \"pixels\": ", settings->session,
              (long long)key, hash);
  text_format(json, "{\"offset\": 0, \"w\": %d, \"h\": %d, \"stride\": %lld, \"depth\": \"%s\", ", w, h,
              (long long)w * (long long)picture_pixel(p), depth_names[p->depth]);
  text_format(json, "\"comps\": %d, \"premult\": %s}}", p->components,
              p->components == 4 && p->alpha == ALPHA_PREMULTIPLIED ? "true" : "false");
}

/* The engine would begin its sequence anew with a frame of another size. */
static int is_alike(PushFirst *first, const Picture *p, int64_t key, char *more, size_t size) {
  const int w = p->whole.x2 - p->whole.x1, h = p->whole.y2 - p->whole.y1;
  if (!first->w) *first = (PushFirst){w, h, key};
  if (first->w == w && first->h == h) return 1;
  snprintf(more, size,
           "Frame %lld has %dx%d pixels and frame %lld %dx%d: put the effect before what changes the picture's size.",
           (long long)key, w, h, (long long)first->key, first->w, first->h);
  return 0;
}

ClientState push_frame(Instance *instance, Client *client, const Settings *settings, OfxTime time, int64_t key,
                       PushFirst *first, char *more, size_t size, const SysWait *wait) {
  OfxPropertySetHandle image = NULL;
  Picture picture;
  char hash[17];
  Text json = {0};
  if (host()->effects->clipGetImage(instance->source, time, NULL, &image) != kOfxStatOK || !image) {
    if (effect_aborted(instance->effect)) return CLIENT_QUIT;
    snprintf(more, size, "The host gives no picture of frame %lld.", (long long)key);
    return CLIENT_REFUSED;
  }
  size_t bytes = picture_read(image, &picture) ? size_of(&picture) : 0;
  ClientState state = CLIENT_REFUSED;
  if (!bytes) {
    snprintf(more, size, "The host's picture of frame %lld cannot be used: it is not whole, or too large.",
             (long long)key);
  } else if (is_alike(first, &picture, key, more, size)) {
    state = client_share(client, bytes, wait);
    if (state == CLIENT_OK) {
      lay_out(&picture, client->slots.base);
      picture_hash(&picture, hash);
      frame_text(&json, settings, key, &picture, hash);
    }
  }
  host()->effects->clipReleaseImage(image);
  if (state == CLIENT_OK) state = client_ask(client, WIRE_FRAME, &json, WIRE_OK, wait);
  text_free(&json);
  return state;
}
