#include "json.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reader {
  Json *json;
  const char *s;
  int at, length;
} Reader;

static int new_node(Reader *r, JsonKind kind) {
  Json *j = r->json;
  if (j->count == j->room) {
    int room = j->room ? j->room * 2 : 64;
    JsonNode *nodes = realloc(j->nodes, (size_t)room * sizeof *nodes);
    if (!nodes) return -1;
    j->nodes = nodes;
    j->room = room;
  }
  j->nodes[j->count] = (JsonNode){kind, r->at, r->at, 0, 0};
  return j->count++;
}

static void skip(Reader *r) {
  while (r->at < r->length && (r->s[r->at] == ' ' || r->s[r->at] == '\t' || r->s[r->at] == '\n' || r->s[r->at] == '\r'))
    r->at++;
}

static int take(Reader *r, char c) {
  skip(r);
  if (r->at >= r->length || r->s[r->at] != c) return 0;
  r->at++;
  return 1;
}

static int close_node(Reader *r, int node) {
  r->json->nodes[node].next = r->json->count;
  return 1;
}

static int is_digit(const Reader *r) { return r->at < r->length && r->s[r->at] >= '0' && r->s[r->at] <= '9'; }

static int hex(const Reader *r, int at, unsigned *code) {
  *code = 0;
  if (at + 4 > r->length) return 0;
  for (int i = 0; i < 4; i++) {
    char c = r->s[at + i];
    unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 16;
    if (digit > 15) return 0;
    *code = *code * 16 + digit;
  }
  return 1;
}

static int read_string(Reader *r) {
  unsigned code;
  if (!take(r, '"')) return 0;
  int node = new_node(r, JSON_STRING);
  if (node < 0) return 0;
  for (; r->at < r->length; r->at++) {
    unsigned char c = (unsigned char)r->s[r->at];
    if (c == '"') {
      r->json->nodes[node].end = r->at++;
      return close_node(r, node);
    }
    if (c < 0x20) return 0;
    if (c != '\\') continue;
    if (++r->at >= r->length) return 0;
    if (r->s[r->at] == 'u') {
      if (!hex(r, r->at + 1, &code)) return 0;
      r->at += 4;
    } else if (!strchr("\"\\/bfnrt", r->s[r->at]) || !r->s[r->at]) {
      return 0;
    }
  }
  return 0;
}

/* mantissa * 10 ^ exponent: right to the last digits that matter here, in every locale. */
static int read_number(Reader *r) {
  int node = new_node(r, JSON_NUMBER);
  if (node < 0) return 0;
  double value = 0;
  int power = 0, minus = r->s[r->at] == '-';
  r->at += minus;
  if (!is_digit(r)) return 0;
  if (r->s[r->at] == '0')
    r->at++;
  else
    for (; is_digit(r); r->at++) value = value * 10 + (r->s[r->at] - '0');
  if (r->at < r->length && r->s[r->at] == '.') {
    r->at++;
    if (!is_digit(r)) return 0;
    for (; is_digit(r); r->at++)
      if (value < 1e15) {
        value = value * 10 + (r->s[r->at] - '0');
        power--;
      }
  }
  if (r->at < r->length && (r->s[r->at] == 'e' || r->s[r->at] == 'E')) {
    r->at++;
    int down = r->at < r->length && r->s[r->at] == '-', given = 0;
    if (r->at < r->length && (r->s[r->at] == '-' || r->s[r->at] == '+')) r->at++;
    if (!is_digit(r)) return 0;
    for (; is_digit(r); r->at++)
      if (given < 10000) given = given * 10 + (r->s[r->at] - '0');
    power += down ? -given : given;
  }
  value = power < 0 ? value / pow(10, -power) : value * pow(10, power);
  if (!isfinite(value)) return 0;
  r->json->nodes[node].number = minus ? -value : value;
  r->json->nodes[node].end = r->at;
  return close_node(r, node);
}

static int read_word(Reader *r, const char *word, JsonKind kind) {
  int n = (int)strlen(word);
  if (r->length - r->at < n || memcmp(r->s + r->at, word, (size_t)n) != 0) return 0;
  int node = new_node(r, kind);
  if (node < 0) return 0;
  r->at += n;
  return close_node(r, node);
}

static int read_value(Reader *r, int depth);

static int read_many(Reader *r, int depth, JsonKind kind, char end) {
  int node = new_node(r, kind);
  if (node < 0) return 0;
  r->at++;
  if (take(r, end)) return close_node(r, node);
  do {
    if (kind == JSON_OBJECT && (!read_string(r) || !take(r, ':'))) return 0;
    if (!read_value(r, depth - 1)) return 0;
  } while (take(r, ','));
  return take(r, end) && close_node(r, node);
}

static int read_value(Reader *r, int depth) {
  skip(r);
  if (depth == 0 || r->at >= r->length) return 0;
  switch (r->s[r->at]) {
  case '{': return read_many(r, depth, JSON_OBJECT, '}');
  case '[': return read_many(r, depth, JSON_ARRAY, ']');
  case '"': return read_string(r);
  case 't': return read_word(r, "true", JSON_TRUE);
  case 'f': return read_word(r, "false", JSON_FALSE);
  case 'n': return read_word(r, "null", JSON_NULL);
  default: return (r->s[r->at] == '-' || is_digit(r)) && read_number(r);
  }
}

int json_read(Json *json, const char *text, size_t length) {
  *json = (Json){text, NULL, 0, 0};
  Reader r = {json, text, 0, (int)length};
  if (length <= 1 << 24 && read_value(&r, JSON_DEPTH)) {
    skip(&r);
    if (r.at == r.length) return 1;
  }
  json_free(json);
  return 0;
}

void json_free(Json *json) {
  free(json->nodes);
  *json = (Json){0};
}

int json_find(const Json *json, int object, const char *key) {
  if (object < 0 || object >= json->count || json->nodes[object].kind != JSON_OBJECT) return -1;
  int found = -1;
  size_t n = strlen(key);
  for (int at = object + 1; at < json->nodes[object].next; at = json->nodes[at + 1].next) {
    const JsonNode *name = &json->nodes[at];
    if ((size_t)(name->end - name->start) == n && memcmp(json->text + name->start, key, n) == 0) found = at + 1;
  }
  return found;
}

int json_number(const Json *json, int object, const char *key, double *value) {
  int at = json_find(json, object, key);
  if (at < 0 || json->nodes[at].kind != JSON_NUMBER) return 0;
  *value = json->nodes[at].number;
  return 1;
}

int json_integer(const Json *json, int object, const char *key, int64_t *value) {
  double number;
  if (!json_number(json, object, key, &number) || number != floor(number) || fabs(number) > 9007199254740992.0)
    return 0;
  *value = (int64_t)number;
  return 1;
}

int json_flag(const Json *json, int object, const char *key, int *value) {
  int at = json_find(json, object, key);
  if (at < 0 || (json->nodes[at].kind != JSON_TRUE && json->nodes[at].kind != JSON_FALSE)) return 0;
  *value = json->nodes[at].kind == JSON_TRUE;
  return 1;
}

static int utf8(unsigned code, char *to) {
  if (code < 0x80) return to[0] = (char)code, 1;
  if (code < 0x800) return to[0] = (char)(0xC0 | code >> 6), to[1] = (char)(0x80 | (code & 63)), 2;
  int n = code < 0x10000 ? 3 : 4;
  for (int i = n - 1; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 63));
  to[0] = (char)((n == 3 ? 0xE0u : 0xF0u) | code);
  return n;
}

/* One escaped character from `at`, just behind the backslash; returns where it ends. */
static int unescape(const Reader *r, int at, char *to, int *n) {
  static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
  unsigned code, low;
  if (r->s[at] != 'u') {
    to[0] = into[strchr(from, r->s[at]) - from];
    *n = 1;
    return at + 1;
  }
  hex(r, at + 1, &code);
  at += 5;
  if (code >= 0xD800 && code < 0xDC00 && at + 6 <= r->length && r->s[at] == '\\' && r->s[at + 1] == 'u' &&
      hex(r, at + 2, &low) && low >= 0xDC00 && low < 0xE000) {
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    at += 6;
  } else if (code == 0 || (code >= 0xD800 && code < 0xE000)) {
    code = '?';
  }
  *n = utf8(code, to);
  return at;
}

int json_unquote(const Json *json, int node, char *to, size_t size) {
  if (node < 0 || node >= json->count || json->nodes[node].kind != JSON_STRING) return 0;
  Reader r = {NULL, json->text, 0, json->nodes[node].end};
  char *plain = malloc((size_t)(r.length - json->nodes[node].start) + 4);
  if (!plain) return 0;
  size_t have = 0;
  for (int at = json->nodes[node].start; at < r.length;) {
    int n = 1;
    if (r.s[at] != '\\')
      plain[have] = r.s[at++];
    else
      at = unescape(&r, at + 1, plain + have, &n);
    have += (size_t)n;
  }
  text_clean(to, size, plain, have);
  free(plain);
  return 1;
}

int json_string(const Json *json, int object, const char *key, char *to, size_t size) {
  return json_unquote(json, json_find(json, object, key), to, size);
}
