/* A host's image: checked once, then read and written row by row as RGBA floats. y grows upwards, as the host's does.
 */
#ifndef TM_PICTURE_H
#define TM_PICTURE_H

#include "host.h"

#include <stdint.h>

#define PICTURE_MOST 32768 /* pixels on a side */

typedef enum Depth { DEPTH_BYTE, DEPTH_SHORT, DEPTH_HALF, DEPTH_FLOAT } Depth;
typedef enum Alpha { ALPHA_OPAQUE, ALPHA_PREMULTIPLIED, ALPHA_STRAIGHT } Alpha;

typedef struct Picture {
  unsigned char *data; /* the pixel at (bounds.x1, bounds.y1) */
  ptrdiff_t row;       /* bytes to the row above; negative where it lies below in memory */
  OfxRectI bounds;     /* what is in memory */
  OfxRectI whole;      /* the full frame at this scale */
  Depth depth;
  int components; /* 1 alpha, 3 RGB, 4 RGBA */
  Alpha alpha;
} Picture;

extern const char *const depth_names[4]; /* on the wire */

int picture_read(OfxPropertySetHandle image, Picture *); /* 1 = it can be used */
size_t picture_pixel(const Picture *);                   /* bytes */
int picture_is_whole(const Picture *);                   /* the full frame is in memory */
/* n pixels from (x, y) on; what is not in memory is 0. */
void picture_load(const Picture *, int x, int y, int n, float *rgba);
void picture_store(const Picture *, int x, int y, int n, const float *rgba); /* all of it lies in bounds */
/* The source's pixels in the window of the output: its bytes where both are of one kind. */
void picture_copy(const Picture *source, const Picture *output, OfxRectI window);
void picture_clear(const Picture *output, OfxRectI window);

OfxRectI rect_common(OfxRectI, OfxRectI); /* no area: x2 <= x1 or y2 <= y1 */
int rect_empty(OfxRectI);

float half_to_float(uint16_t);
uint16_t float_to_half(float);

#endif
