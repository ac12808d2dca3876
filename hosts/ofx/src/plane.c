#include "matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 8 /* windows up to 2^7 pixels wide, of which two cover a disc of radius 101 */

static float larger(float a, float b) { return a > b ? a : b; }

static int going_on(const SysWait *wait) {
  SysResult why;
  return sys_left(wait, &why) > 0;
}

/* window[j][x] = the maximum of 2^j values from x on. */
static void build_windows(float *const window[LEVELS], int length, int levels) {
  for (int j = 1; j < levels; j++) {
    int half = 1 << (j - 1), n = length - (1 << j) + 1;
    for (int x = 0; x < n; x++) window[j][x] = larger(window[j - 1][x], window[j - 1][x + half]);
  }
}

static void raise_row(float *to, float *const window[LEVELS], int w, int radius, int k) {
  int j = 0;
  while (2 << j <= 2 * k + 1) j++;
  const float *left = window[j] + radius - k, *right = window[j] + radius + k + 1 - (1 << j);
  for (int x = 0; x < w; x++) {
    to[x] = larger(to[x], larger(left[x], right[x]));
  }
}

/* The maximum in a disc of a whole radius; values are in [0, 1] and there is nothing beyond the edge. */
static int raise_disc(Plane from, float *to, int radius, const SysWait *wait) {
  const int length = from.w + 2 * radius;
  int levels = 1;
  while (levels < LEVELS && 1 << levels <= 2 * radius + 1) levels++;
  float *memory = calloc((size_t)length * LEVELS, sizeof *memory), *window[LEVELS];
  if (!memory) return 0;
  for (int j = 0; j < LEVELS; j++) window[j] = memory + (size_t)j * (size_t)length;
  memset(to, 0, (size_t)from.w * (size_t)from.h * sizeof *to);
  int fine = 1;
  for (int s = 0; s < from.h && (fine = s % 16 || going_on(wait)); s++) {
    memcpy(window[0] + radius, from.v + (size_t)s * (size_t)from.w, (size_t)from.w * sizeof *to);
    build_windows(window, length, levels);
    for (int dy = -radius; dy <= radius; dy++) {
      int k = (int)sqrt((double)(radius * radius - dy * dy));
      if (s + dy >= 0 && s + dy < from.h) raise_row(to + (size_t)(s + dy) * (size_t)from.w, window, from.w, radius, k);
    }
  }
  free(memory);
  return fine;
}

static void turn(Plane p) {
  const size_t n = (size_t)p.w * (size_t)p.h;
  for (size_t i = 0; i < n; i++) p.v[i] = 1.0f - p.v[i];
}

int plane_grow(Plane p, double radius, const SysWait *wait) {
  const size_t n = (size_t)p.w * (size_t)p.h;
  const double size = fabs(radius);
  const int low = (int)size;
  const float share = (float)(size - low);
  if (size <= 0) return 1;
  float *near = malloc(n * sizeof *near), *far = malloc(n * sizeof *far);
  int fine = near && far;
  if (radius < 0) turn(p);
  fine = fine && raise_disc(p, near, low, wait) && (share <= 0 || raise_disc(p, far, low + 1, wait));
  for (size_t i = 0; fine && i < n; i++) p.v[i] = share > 0 ? near[i] + (far[i] - near[i]) * share : near[i];
  if (radius < 0) turn(p);
  free(near);
  free(far);
  return fine;
}

typedef struct Box {
  int l;            /* whole pixels to each side */
  double end, norm; /* the weight of the pixel beyond them; one over the sum of all weights */
} Box;

/* Three of these have the variance sigma^2. */
static Box box_of(double sigma) {
  double v = sigma * sigma / 3;
  Box b;
  b.l = (int)((sqrt(1 + 12 * v) - 1) / 2);
  b.end = (2 * b.l + 1) * (v - b.l * (b.l + 1) / 3.0) / (2 * ((b.l + 1.0) * (b.l + 1.0) - v));
  b.norm = 1 / (2 * b.l + 1 + 2 * b.end);
  return b;
}

static int inside(int i, int n) { return i < 0 ? 0 : i < n ? i : n - 1; }

static void box_row(const float *from, float *to, int w, Box b) {
  double sum = 0;
  for (int i = -b.l; i <= b.l; i++) sum += from[inside(i, w)];
  for (int x = 0; x < w; x++) {
    float before = from[inside(x - b.l - 1, w)], behind = from[inside(x + b.l + 1, w)];
    to[x] = (float)((sum + b.end * ((double)before + behind)) * b.norm);
    sum += (double)behind - from[inside(x - b.l, w)];
  }
}

static void box_columns(const float *from, float *to, int w, int h, Box b, double *sum) {
  memset(sum, 0, (size_t)w * sizeof *sum);
  for (int i = -b.l; i <= b.l; i++) {
    const float *row = from + (size_t)inside(i, h) * (size_t)w;
    for (int x = 0; x < w; x++) sum[x] += row[x];
  }
  for (int y = 0; y < h; y++) {
    const float *before = from + (size_t)inside(y - b.l - 1, h) * (size_t)w,
                *behind = from + (size_t)inside(y + b.l + 1, h) * (size_t)w;
    const float *leaves = from + (size_t)inside(y - b.l, h) * (size_t)w;
    float *out = to + (size_t)y * (size_t)w;
    for (int x = 0; x < w; x++) {
      out[x] = (float)((sum[x] + b.end * ((double)before[x] + behind[x])) * b.norm);
      sum[x] += (double)behind[x] - leaves[x];
    }
  }
}

int plane_blur(Plane p, double sigma, const SysWait *wait) {
  if (sigma <= 0) return 1;
  const Box b = box_of(sigma);
  float *other = malloc((size_t)p.w * (size_t)p.h * sizeof *other);
  double *sum = malloc((size_t)p.w * sizeof *sum);
  int fine = other && sum;
  for (int pass = 0; fine && pass < 3; pass++) {
    for (int y = 0; y < p.h; y++) box_row(p.v + (size_t)y * (size_t)p.w, other + (size_t)y * (size_t)p.w, p.w, b);
    box_columns(other, p.v, p.w, p.h, b, sum);
    fine = going_on(wait);
  }
  free(other);
  free(sum);
  return fine;
}
