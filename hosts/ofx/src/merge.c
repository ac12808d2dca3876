#include "matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 256

/* One pixel: p is the source's on entry and the output's on return; m is the matte. */
static void shade(float p[4], const float behind[4], float m, Output output, Alpha alpha, int components) {
  float a = components == 3 || alpha == ALPHA_OPAQUE ? 1.0f : p[3];
  if (output == OUTPUT_RGB) {
    p[0] = p[1] = p[2] = m;
    p[3] = components == 1 ? m : 1.0f;
  } else if (output == OUTPUT_ALPHA) {
    if (alpha == ALPHA_PREMULTIPLIED && a != 1.0f)
      for (int c = 0; c < 3; c++) p[c] = a > 0.0f ? p[c] / a : 0.0f;
    p[3] = m;
  } else if (output == OUTPUT_CUTOUT) {
    float hold = alpha == ALPHA_PREMULTIPLIED ? m : a * m;
    for (int c = 0; c < 3; c++) p[c] *= hold;
    p[3] = a * m;
  } else {
    for (int c = 0; c < 3; c++) p[c] = p[c] * m + behind[c] * (1.0f - m);
  }
}

/* The background alone, blurred: the subject is taken out first and what surrounds it fills the hole, so that there is
 * no halo. */
static int blurred(const Picture *source, Plane matte, double sigma, float *planes[4], const SysWait *wait) {
  const int w = matte.w, h = matte.h;
  const size_t n = (size_t)w * (size_t)h;
  float *row = malloc((size_t)w * 4 * sizeof *row);
  if (!row) return 0;
  for (int y = 0; y < h; y++) {
    picture_load(source, source->whole.x1, source->whole.y2 - 1 - y, w, row);
    for (int x = 0; x < w; x++) {
      size_t i = (size_t)y * (size_t)w + (size_t)x;
      planes[3][i] = 1.0f - matte.v[i];
      for (int c = 0; c < 3; c++) planes[c][i] = isfinite(row[4 * x + c]) ? row[4 * x + c] * planes[3][i] : 0.0f;
    }
  }
  free(row);
  for (int c = 0; c < 4; c++)
    if (!plane_blur((Plane){planes[c], w, h}, sigma, wait)) return 0;
  for (size_t i = 0; i < n; i++)
    for (int c = 0; c < 3; c++) planes[c][i] = planes[3][i] > 1e-6f ? planes[c][i] / planes[3][i] : 0.0f;
  return 1;
}

static void merge_block(const Picture *source, const Picture *output, int x, int y, int n, Plane matte, Output mode,
                        float *const planes[4]) {
  float block[BLOCK * 4], behind[4] = {0};
  picture_load(source, x, y, n, block);
  size_t at = (size_t)(source->whole.y2 - 1 - y) * (size_t)matte.w + (size_t)(x - source->whole.x1);
  for (int i = 0; i < n; i++, at++) {
    for (int c = 0; c < 3 && mode == OUTPUT_BLUR; c++) behind[c] = planes[c][at];
    shade(block + 4 * i, behind, matte.v[at], mode, source->alpha, source->components);
  }
  picture_store(output, x, y, n, block);
}

int merge(const Picture *source, const Picture *output, OfxRectI window, Plane matte, Output mode, double blur,
          const SysWait *wait) {
  OfxRectI r = rect_common(rect_common(window, output->bounds), rect_common(source->bounds, source->whole));
  float *memory = NULL, *planes[4] = {0};
  if (rect_empty(r)) return 1;
  if (mode == OUTPUT_BLUR) {
    const size_t n = (size_t)matte.w * (size_t)matte.h;
    memory = malloc(4 * n * sizeof *memory);
    if (!memory) return 0;
    for (int c = 0; c < 4; c++) planes[c] = memory + (size_t)c * n;
    if (!blurred(source, matte, blur, planes, wait)) {
      free(memory);
      return 0;
    }
  }
  for (int y = r.y1; y < r.y2; y++)
    for (int x = r.x1; x < r.x2; x += BLOCK)
      merge_block(source, output, x, y, r.x2 - x < BLOCK ? r.x2 - x : BLOCK, matte, mode, planes);
  free(memory);
  return 1;
}

#define COLUMNS 9
#define ROWS    8

static void sum_row(const Picture *p, const float *row, int w, double cells[COLUMNS]) {
  for (int i = 0; i < COLUMNS; i++) {
    int first = (int)((int64_t)i * w / COLUMNS), last = (int)((int64_t)(i + 1) * w / COLUMNS);
    double sum = 0;
    for (int x = first; x < last || x == first; x++) {
      const float *v = row + (size_t)x * 4;
      double luma = p->components == 1 ? v[3] : .2126 * v[0] + .7152 * v[1] + .0722 * v[2];
      if (isfinite(luma)) sum += luma;
    }
    cells[i] += sum / (last > first ? last - first : 1);
  }
}

void picture_hash(const Picture *p, char to[17]) {
  const int w = p->whole.x2 - p->whole.x1, h = p->whole.y2 - p->whole.y1;
  float *row = picture_is_whole(p) ? malloc((size_t)w * 4 * sizeof *row) : NULL;
  double cells[ROWS][COLUMNS] = {{0}}, most = 0;
  to[0] = 0;
  if (!row) return;
  for (int j = 0; j < ROWS; j++) {
    int first = (int)((int64_t)j * h / ROWS), last = (int)((int64_t)(j + 1) * h / ROWS),
        n = last > first ? last - first : 1;
    for (int y = first; y < first + n; y++) {
      picture_load(p, p->whole.x1, p->whole.y2 - 1 - y, w, row);
      sum_row(p, row, w, cells[j]);
    }
    for (int i = 0; i < COLUMNS; i++) {
      cells[j][i] /= n;
      most = fmax(most, fabs(cells[j][i]));
    }
  }
  free(row);
  for (int j = 0; j < ROWS; j++) {
    int byte = 0;
    for (int i = 0; i + 1 < COLUMNS; i++) byte = byte << 1 | (cells[j][i] - cells[j][i + 1] > most / 1024);
    to[2 * j] = "0123456789abcdef"[byte >> 4];
    to[2 * j + 1] = "0123456789abcdef"[byte & 15];
  }
  to[16] = 0;
}
