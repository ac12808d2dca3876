#include "host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 64
#define FILL  0xA5

static OfxStatus get_props(OfxImageEffectHandle e, OfxPropertySetHandle *p) { return *p = &e->props, kOfxStatOK; }
static OfxStatus get_params(OfxImageEffectHandle e, OfxParamSetHandle *p) { return *p = &e->params, kOfxStatOK; }

static OfxStatus clip_define(OfxImageEffectHandle e, const char *name, OfxPropertySetHandle *p) {
  struct OfxImageClipStruct *c = &e->clips[e->clip_count++];
  snprintf(c->name, sizeof c->name, "%s", name);
  props_init(&c->props);
  c->effect = e;
  *p = &c->props;
  return kOfxStatOK;
}

static OfxStatus clip_handle(OfxImageEffectHandle e, const char *name, OfxImageClipHandle *clip,
                             OfxPropertySetHandle *p) {
  for (int i = 0; i < e->clip_count; i++)
    if (strcmp(e->clips[i].name, name) == 0) {
      *clip = &e->clips[i];
      if (p) *p = &e->clips[i].props;
      return kOfxStatOK;
    }
  return kOfxStatErrUnknown;
}

static void describe_image(Image *image) {
  const Layout *l = &image->layout;
  Props *p = &image->props;
  int rects[2][4] = {{l->x1, l->y1, l->x1 + l->w, l->y1 + l->h}, {l->rx, l->ry, l->rx + l->rw, l->ry + l->rh}};
  for (int i = 0; i < 4; i++) {
    props_set_number(p, kOfxImagePropBounds, i, rects[0][i]);
    props_set_number(p, kOfxImagePropRegionOfDefinition, i, l->rw ? rects[1][i] : rects[0][i]);
  }
  props_set_pointer(p, kOfxImagePropData, image->pixel);
  props_set_number(p, kOfxImagePropRowBytes, 0, (double)image->row);
  props_set_string(p, kOfxImageEffectPropPixelDepth, 0, l->depth);
  props_set_string(p, kOfxImageEffectPropComponents, 0, l->components);
  props_set_string(p, kOfxImageEffectPropPreMultiplication, 0, l->alpha);
}

Image *image_new(Effect *e, const Layout *l, const unsigned char *tight) {
  (void)e;
  Image *image = calloc(1, sizeof *image);
  const size_t line = (size_t)(l->w * l->size * l->count), row = line + (size_t)l->padding;
  image->layout = *l;
  image->size = row * (size_t)l->h + 2 * GUARD;
  image->memory = malloc(image->size);
  memset(image->memory, FILL, image->size);
  image->row = l->negative ? -(ptrdiff_t)row : (ptrdiff_t)row;
  image->pixel = image->memory + GUARD + (l->negative ? row * (size_t)(l->h - 1) : 0);
  for (int y = 0; tight && y < l->h; y++)
    memcpy(image->pixel + y * image->row, tight + (size_t)(l->h - 1 - y) * line, line);
  props_init(&image->props);
  image->props.image = image;
  describe_image(image);
  atomic_fetch_add(&live_images, 1);
  return image;
}

void image_free(Image *image) {
  if (!image_intact(image)) atomic_fetch_add(&guard_faults, 1);
  props_clear(&image->props);
  free(image->memory);
  free(image);
  atomic_fetch_sub(&live_images, 1);
}

int image_intact(const Image *image) {
  const Layout *l = &image->layout;
  const size_t line = (size_t)(l->w * l->size * l->count), row = line + (size_t)l->padding;
  for (size_t i = 0; i < image->size; i++) {
    size_t in = i - GUARD;
    int pixel = i >= GUARD && i < image->size - GUARD && in % row < line;
    if (!pixel && image->memory[i] != FILL) return 0;
  }
  return 1;
}

void image_take(const Image *image, unsigned char *tight) {
  const Layout *l = &image->layout;
  const size_t line = (size_t)(l->w * l->size * l->count);
  for (int y = 0; y < l->h; y++) memcpy(tight + (size_t)(l->h - 1 - y) * line, image->pixel + y * image->row, line);
}

static OfxStatus get_image(OfxImageClipHandle clip, OfxTime time, const OfxRectD *region, OfxPropertySetHandle *image) {
  Effect *e = clip->effect;
  (void)region;
  if (strcmp(clip->name, "Output") == 0) {
    if (!render_target) return kOfxStatFailed;
    atomic_fetch_add(&live_images, 1);
    *image = &render_target->props;
    return kOfxStatOK;
  }
  if (!e->connected || !e->frames) return kOfxStatFailed;
  if (!config.temporal && render_target) time = render_time; /* the current frame, whatever was asked for */
  int i = (int)lround(time) - e->first;
  if (i < 0 || i >= e->frame_count) return kOfxStatFailed;
  const Layout *l = &e->source;
  Layout shorter = *l;
  shorter.h--, shorter.y1++;
  const unsigned char *tight = e->frames + (size_t)i * (size_t)(l->w * l->h * l->size * l->count);
  *image = &image_new(e, e->shorter_from > 0 && i >= e->shorter_from ? &shorter : l, tight)->props;
  return kOfxStatOK;
}

static OfxStatus release_image(OfxPropertySetHandle p) {
  if (p->image == render_target)
    atomic_fetch_sub(&live_images, 1);
  else
    image_free(p->image);
  return kOfxStatOK;
}

static OfxStatus region(OfxImageClipHandle clip, OfxTime time, OfxRectD *r) {
  const Layout *l = &clip->effect->source;
  (void)time;
  if (l->rw)
    *r = (OfxRectD){l->rx, l->ry, l->rx + l->rw, l->ry + l->rh};
  else
    *r = (OfxRectD){l->x1, l->y1, l->x1 + l->w, l->y1 + l->h};
  r->x1 *= clip->effect->aspect, r->x2 *= clip->effect->aspect;
  return kOfxStatOK;
}

static int aborted(OfxImageEffectHandle e) {
  int left = atomic_load(&e->abort_after);
  if (left < 0) return 0;
  if (left > 0) atomic_fetch_sub(&e->abort_after, 1);
  return left == 0;
}

OfxImageEffectSuiteV1 effect_suite = {.getPropertySet = get_props,
                                      .getParamSet = get_params,
                                      .clipDefine = clip_define,
                                      .clipGetHandle = clip_handle,
                                      .clipGetImage = get_image,
                                      .clipReleaseImage = release_image,
                                      .clipGetRegionOfDefinition = region,
                                      .abort = aborted};
