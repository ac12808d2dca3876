/* What happens to a matte between the engine and the picture, and to the picture. Planes are rows of floats from the
 * top down. */
#ifndef TM_MATTE_H
#define TM_MATTE_H

#include "params.h"
#include "picture.h"
#include "sys.h"

typedef struct Plane {
  float *v;
  int w, h;
} Plane;

/* All of these return 1, or 0 where memory ran out or `wait` called it off; the plane is then of no use. */
int plane_grow(Plane, double radius, const SysWait *); /* maximum in a disc, or minimum where the radius is negative */
int plane_blur(Plane, double sigma, const SysWait *);  /* three extended boxes: Gwosdek et al. 2011 */

/* The output's pixels in the window, from the source and its matte (of the source's whole frame). */
int merge(const Picture *source, const Picture *output, OfxRectI window, Plane matte, Output, double blur,
          const SysWait *);

/* Docs/protocol-ofx.md, "hash": 16 digits, "" where the picture is not whole. */
void picture_hash(const Picture *, char to[17]);

#endif
