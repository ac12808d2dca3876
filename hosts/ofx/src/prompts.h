/* What was said about the subject: the text parameter `prompts`, see docs/protocol-ofx.md. */
#ifndef TM_PROMPTS_H
#define TM_PROMPTS_H

#include "text.h"

#include <stdint.h>

#define POINTS_MOST 1000
#define BOXES_MOST  100
#define SUBJECT     "subject"

typedef struct PromptPoint {
  int64_t frame;
  double x, y; /* in [0, 1] from the top left */
  int label;   /* 1 keeps, 0 leaves out */
  char object[64];
} PromptPoint;

typedef struct PromptBox {
  int64_t frame;
  double x0, y0, x1, y1;
  char object[64];
} PromptBox;

typedef struct Prompts {
  int points, boxes;
  PromptPoint point[POINTS_MOST];
  PromptBox box[BOXES_MOST];
} Prompts;

/* NULL where the text cannot be understood or memory ran out; "" is no prompts. To be freed with free(). */
Prompts *prompts_read(const char *text);
void prompts_write(const Prompts *, Text *);
/* Make these points all that is said of the subject on a frame; 0 = there is no room for them. */
int prompts_set(Prompts *, int64_t frame, const PromptPoint *points, int count);
int prompts_span(const Prompts *, int64_t *first, int64_t *last); /* 0 = nothing is said */

#endif
