#include "picture.h"

#include <stdlib.h>
#include <string.h>

const char *const depth_names[4] = {"byte", "short", "half", "float"};
static const size_t sample_size[4] = {1, 2, 2, 4};

size_t picture_pixel(const Picture *p) { return sample_size[p->depth] * (size_t)p->components; }

OfxRectI rect_common(OfxRectI a, OfxRectI b) {
  OfxRectI r = {a.x1 > b.x1 ? a.x1 : b.x1, a.y1 > b.y1 ? a.y1 : b.y1, a.x2 < b.x2 ? a.x2 : b.x2,
                a.y2 < b.y2 ? a.y2 : b.y2};
  return r;
}

int rect_empty(OfxRectI r) { return r.x2 <= r.x1 || r.y2 <= r.y1; }

static int bounded(OfxRectI r) {
  const int64_t w = (int64_t)r.x2 - r.x1, h = (int64_t)r.y2 - r.y1;
  return w > 0 && h > 0 && w <= PICTURE_MOST && h <= PICTURE_MOST && abs(r.x1 / 2) < 1 << 29 && abs(r.y1 / 2) < 1 << 29;
}

static int read_rect(OfxPropertySetHandle image, const char *name, OfxRectI *r) {
  int *to[4] = {&r->x1, &r->y1, &r->x2, &r->y2};
  for (int i = 0; i < 4; i++)
    if (host()->props->propGetInt(image, name, i, to[i]) != kOfxStatOK) return 0;
  return bounded(*r);
}

static int read_kind(OfxPropertySetHandle image, Picture *p) {
  static const char *const depths[4] = {kOfxBitDepthByte, kOfxBitDepthShort, kOfxBitDepthHalf, kOfxBitDepthFloat};
  static const char *const kinds[3] = {kOfxImageComponentAlpha, kOfxImageComponentRGB, kOfxImageComponentRGBA};
  static const int counts[3] = {1, 3, 4};
  const char *depth = prop_string(image, kOfxImageEffectPropPixelDepth, 0);
  int found = 0;
  for (int i = 0; i < 4; i++)
    if (strcmp(depth, depths[i]) == 0) p->depth = (Depth)i, found = 1;
  const char *kind = prop_string(image, kOfxImageEffectPropComponents, 0);
  for (int i = 0; i < 3; i++)
    if (strcmp(kind, kinds[i]) == 0) p->components = counts[i];
  const char *alpha = prop_string(image, kOfxImageEffectPropPreMultiplication, 0);
  p->alpha = strcmp(alpha, kOfxImagePreMultiplied) == 0     ? ALPHA_PREMULTIPLIED
             : strcmp(alpha, kOfxImageUnPreMultiplied) == 0 ? ALPHA_STRAIGHT
                                                            : ALPHA_OPAQUE;
  return found && p->components;
}

int picture_read(OfxPropertySetHandle image, Picture *p) {
  memset(p, 0, sizeof *p);
  if (!image) return 0;
  p->data = prop_pointer(image, kOfxImagePropData);
  p->row = prop_int(image, kOfxImagePropRowBytes, 0, 0);
  if (!p->data || !read_kind(image, p) || !read_rect(image, kOfxImagePropBounds, &p->bounds)) return 0;
  if (!read_rect(image, kOfxImagePropRegionOfDefinition, &p->whole)) p->whole = p->bounds;
  OfxRectI common = rect_common(p->whole, p->bounds);
  if (rect_empty(common)) p->whole = p->bounds;
  size_t need = (size_t)(p->bounds.x2 - p->bounds.x1) * picture_pixel(p);
  return (size_t)(p->row < 0 ? -p->row : p->row) >= need || p->bounds.y2 - p->bounds.y1 == 1;
}

int picture_is_whole(const Picture *p) {
  OfxRectI c = rect_common(p->bounds, p->whole);
  return c.x1 == p->whole.x1 && c.y1 == p->whole.y1 && c.x2 == p->whole.x2 && c.y2 == p->whole.y2;
}

static unsigned char *at(const Picture *p, int x, int y) {
  return p->data + (ptrdiff_t)(y - p->bounds.y1) * p->row + (ptrdiff_t)(x - p->bounds.x1) * (ptrdiff_t)picture_pixel(p);
}

float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023, bits;
  if (exponent == 31)
    bits = sign | 0x7F800000 | fraction << 13;
  else if (exponent)
    bits = sign | (exponent + 112) << 23 | fraction << 13;
  else { /* a subnormal half is a normal float */
    float value = (float)fraction * 0x1p-24f;
    memcpy(&bits, &value, 4);
    bits |= sign;
  }
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/* To the nearest, ties to even, as IEEE 754 says. */
uint16_t float_to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  bits &= 0x7FFFFFFF;
  if (bits > 0x7F800000) return (uint16_t)(sign | 0x7C00 | (bits >> 13 & 1023 ? bits >> 13 & 1023 : 1)); /* NaN */
  if (bits >= 0x477FF000) return (uint16_t)(sign | 0x7C00);
  if (bits < 0x38800000) { /* subnormal: adding 0.5 rounds at 2^-24 */
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, 4);
    return (uint16_t)(sign | (bits - 0x3F000000));
  }
  bits += 0xFFF + (bits >> 13 & 1);
  return (uint16_t)(sign | ((bits - 0x38000000) >> 13));
}

static float sample(const unsigned char *from, Depth depth) {
  uint16_t u;
  float f;
  switch (depth) {
  case DEPTH_BYTE: return (float)*from / 255.0f;
  case DEPTH_SHORT: memcpy(&u, from, 2); return (float)u / 65535.0f;
  case DEPTH_HALF: memcpy(&u, from, 2); return half_to_float(u);
  default: memcpy(&f, from, 4); return f;
  }
}

static float clamped(float v) { return v > 0.0f ? v < 1.0f ? v : 1.0f : 0.0f; }

static void put(unsigned char *to, Depth depth, float v) {
  uint16_t u;
  switch (depth) {
  case DEPTH_BYTE: *to = (unsigned char)(clamped(v) * 255.0f + 0.5f); return;
  case DEPTH_SHORT: u = (uint16_t)(clamped(v) * 65535.0f + 0.5f); break;
  case DEPTH_HALF: u = float_to_half(v); break;
  default: memcpy(to, &v, 4); return;
  }
  memcpy(to, &u, 2);
}

void picture_load(const Picture *p, int x, int y, int n, float *rgba) {
  const size_t step = sample_size[p->depth];
  int inside = y >= p->bounds.y1 && y < p->bounds.y2;
  int first = p->bounds.x1 > x ? p->bounds.x1 : x, last = p->bounds.x2 < x + n ? p->bounds.x2 : x + n;
  if (!inside || last <= first) {
    memset(rgba, 0, (size_t)n * 4 * sizeof *rgba);
    return;
  }
  memset(rgba, 0, (size_t)(first - x) * 4 * sizeof *rgba);
  memset(rgba + (size_t)(last - x) * 4, 0, (size_t)(x + n - last) * 4 * sizeof *rgba);
  const unsigned char *from = at(p, first, y);
  if (p->depth == DEPTH_FLOAT && p->components == 4) {
    memcpy(rgba + (size_t)(first - x) * 4, from, (size_t)(last - first) * 4 * sizeof *rgba);
    return;
  }
  for (float *to = rgba + (size_t)(first - x) * 4; first < last; first++, to += 4) {
    to[3] = 1.0f;
    if (p->components == 1) {
      to[0] = to[1] = to[2] = 0.0f;
      to[3] = sample(from, p->depth);
    } else {
      for (int c = 0; c < p->components; c++) to[c] = sample(from + (size_t)c * step, p->depth);
    }
    from += step * (size_t)p->components;
  }
}

void picture_store(const Picture *p, int x, int y, int n, const float *rgba) {
  const size_t step = sample_size[p->depth];
  unsigned char *to = at(p, x, y);
  if (p->depth == DEPTH_FLOAT && p->components == 4) {
    memcpy(to, rgba, (size_t)n * 4 * sizeof *rgba);
    return;
  }
  for (int i = 0; i < n; i++, rgba += 4)
    for (int c = 0; c < p->components; c++, to += step) put(to, p->depth, p->components == 1 ? rgba[3] : rgba[c]);
}

void picture_clear(const Picture *output, OfxRectI window) {
  OfxRectI r = rect_common(window, output->bounds);
  for (int y = r.y1; y < r.y2 && !rect_empty(r); y++)
    memset(at(output, r.x1, y), 0, (size_t)(r.x2 - r.x1) * picture_pixel(output));
}

static void convert_row(const Picture *source, const Picture *output, OfxRectI r, int y) {
  float block[256 * 4];
  for (int x = r.x1; x < r.x2; x += 256) {
    int n = r.x2 - x < 256 ? r.x2 - x : 256;
    picture_load(source, x, y, n, block);
    picture_store(output, x, y, n, block);
  }
}

void picture_copy(const Picture *source, const Picture *output, OfxRectI window) {
  OfxRectI r = rect_common(window, output->bounds), common = rect_common(r, source->bounds);
  if (rect_empty(r)) return;
  if (common.x1 != r.x1 || common.y1 != r.y1 || common.x2 != r.x2 || common.y2 != r.y2) picture_clear(output, r);
  if (rect_empty(common)) return;
  int one_kind = source->depth == output->depth && source->components == output->components;
  for (int y = common.y1; y < common.y2; y++) {
    if (one_kind)
      memmove(at(output, common.x1, y), at(source, common.x1, y),
              (size_t)(common.x2 - common.x1) * picture_pixel(output));
    else
      convert_row(source, output, common, y);
  }
}
