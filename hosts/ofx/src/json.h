/* A reader of JSON (RFC 8259) for text that nobody vouches for: bounded in depth and size, no locale, no recursion
 * without end. */
#ifndef TM_JSON_H
#define TM_JSON_H

#include <stddef.h>
#include <stdint.h>

typedef enum JsonKind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct JsonNode {
  JsonKind kind;
  int start, end; /* of a string: between the quotes */
  int next;       /* the node after this one and all it holds */
  double number;
} JsonNode;

typedef struct Json {
  const char *text; /* the caller's; must outlive this */
  JsonNode *nodes;  /* node 0 is the whole; an object's children are key, value, key, value ... */
  int count, room;
} Json;

#define JSON_DEPTH 16

int json_read(Json *, const char *text, size_t length); /* 1 = well formed and all of it used */
void json_free(Json *);

/* The value of a key (the last one, if it is there more than once) of the object at a node; -1 = there is none. */
int json_find(const Json *, int object, const char *key);
/* What a key of an object holds; 1 = it is there and of this kind. */
int json_number(const Json *, int object, const char *key, double *value);
int json_integer(const Json *, int object, const char *key, int64_t *value); /* whole and at most 2^53 in magnitude */
int json_flag(const Json *, int object, const char *key, int *value);
int json_string(const Json *, int object, const char *key, char *to, size_t size); /* cleaned and cut to size */
int json_unquote(const Json *, int node, char *to, size_t size);

#endif
