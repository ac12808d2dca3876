#include "prompts.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

static int share(const Json *json, int object, const char *key, double *value) {
  return json_number(json, object, key, value) && *value >= 0 && *value <= 1;
}

static int read_head(const Json *json, int object, int64_t *frame, char name[64]) {
  if (!json_integer(json, object, "frame", frame)) return 0;
  if (json_find(json, object, "object") < 0) return strcpy(name, SUBJECT) != NULL;
  return json_string(json, object, "object", name, 64) && *name;
}

static int read_point(const Json *json, int at, PromptPoint *p) {
  int64_t label;
  if (!read_head(json, at, &p->frame, p->object) || !share(json, at, "x", &p->x) || !share(json, at, "y", &p->y))
    return 0;
  if (!json_integer(json, at, "label", &label) || (label != 0 && label != 1)) return 0;
  p->label = (int)label;
  return 1;
}

static int read_box(const Json *json, int at, PromptBox *b) {
  return read_head(json, at, &b->frame, b->object) && share(json, at, "x0", &b->x0) && share(json, at, "y0", &b->y0) &&
         share(json, at, "x1", &b->x1) && share(json, at, "y1", &b->y1) && b->x0 < b->x1 && b->y0 < b->y1;
}

static int read_all(const Json *json, Prompts *to) {
  int64_t version;
  if (!json_integer(json, 0, "version", &version) || version != 1) return 0;
  for (int kind = 0; kind < 2; kind++) {
    int list = json_find(json, 0, kind ? "boxes" : "points");
    if (list < 0) continue;
    if (json->nodes[list].kind != JSON_ARRAY) return 0;
    for (int at = list + 1; at < json->nodes[list].next; at = json->nodes[at].next) {
      if (kind ? to->boxes == BOXES_MOST || !read_box(json, at, &to->box[to->boxes++])
               : to->points == POINTS_MOST || !read_point(json, at, &to->point[to->points++]))
        return 0;
    }
  }
  return 1;
}

Prompts *prompts_read(const char *text) {
  Prompts *prompts = calloc(1, sizeof *prompts);
  Json json;
  if (!prompts || !text[strspn(text, " \t\r\n")]) return prompts;
  int fine = 0;
  if (json_read(&json, text, strlen(text))) {
    fine = read_all(&json, prompts);
    json_free(&json);
  }
  if (fine) return prompts;
  free(prompts);
  return NULL;
}

static void write_end(Text *to, const char *object) {
  if (strcmp(object, SUBJECT) != 0) {
    text_add(to, ",\"object\":");
    text_quote(to, object);
  }
  text_add(to, "}");
}

void prompts_write(const Prompts *prompts, Text *to) {
  text_add(to, "{\"version\":1,\"points\":[");
  for (int i = 0; i < prompts->points; i++) {
    const PromptPoint *p = &prompts->point[i];
    text_format(to, "%s{\"frame\":%lld,\"x\":", i ? "," : "", (long long)p->frame);
    text_share(to, p->x);
    text_add(to, ",\"y\":");
    text_share(to, p->y);
    text_format(to, ",\"label\":%d", p->label);
    write_end(to, p->object);
  }
  text_add(to, "],\"boxes\":[");
  for (int i = 0; i < prompts->boxes; i++) {
    const PromptBox *b = &prompts->box[i];
    const char *const names[4] = {"x0", "y0", "x1", "y1"};
    const double values[4] = {b->x0, b->y0, b->x1, b->y1};
    text_format(to, "%s{\"frame\":%lld", i ? "," : "", (long long)b->frame);
    for (int k = 0; k < 4; k++) {
      text_format(to, ",\"%s\":", names[k]);
      text_share(to, values[k]);
    }
    write_end(to, b->object);
  }
  text_add(to, "]}");
}

int prompts_set(Prompts *prompts, int64_t frame, const PromptPoint *points, int count) {
  int kept = 0;
  for (int i = 0; i < prompts->points; i++) {
    PromptPoint p = prompts->point[i];
    if (p.frame != frame || strcmp(p.object, SUBJECT) != 0) prompts->point[kept++] = p;
  }
  prompts->points = kept;
  if (kept + count > POINTS_MOST) return 0;
  for (int i = 0; i < count; i++) {
    PromptPoint *p = &prompts->point[prompts->points++];
    *p = points[i];
    p->frame = frame;
    strcpy(p->object, SUBJECT);
  }
  return 1;
}

int prompts_span(const Prompts *prompts, int64_t *first, int64_t *last) {
  int64_t low = INT64_MAX, high = INT64_MIN;
  for (int i = 0; i < prompts->points + prompts->boxes; i++) {
    int64_t f = i < prompts->points ? prompts->point[i].frame : prompts->box[i - prompts->points].frame;
    if (f < low) low = f;
    if (f > high) high = f;
  }
  *first = low;
  *last = high;
  return low <= high;
}
