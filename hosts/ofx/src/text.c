#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_room(Text *t, size_t more) {
  if (t->failed) return 0;
  size_t need = t->length + more + 1;
  if (need <= t->room) return 1;
  size_t room = need * 2 < 256 ? 256 : need * 2;
  char *s = realloc(t->s, room);
  if (!s) {
    t->failed = 1;
    return 0;
  }
  t->s = s;
  t->room = room;
  return 1;
}

static void add_bytes(Text *t, const char *s, size_t n) {
  if (!make_room(t, n)) return;
  memcpy(t->s + t->length, s, n);
  t->length += n;
  t->s[t->length] = 0;
}

void text_add(Text *t, const char *s) { add_bytes(t, s, strlen(s)); }

void text_format(Text *t, const char *format, ...) {
  char small[512];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(small, sizeof small, format, list);
  va_end(list);
  if (n < 0 || (size_t)n >= sizeof small)
    t->failed = 1;
  else
    add_bytes(t, small, (size_t)n);
}

/* The bytes of the UTF-8 character at s, 0 where there is none (overlong, surrogate, too large, cut off). */
static size_t character(const unsigned char *s, size_t left) {
  static const unsigned least[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (!left) return 0;
  if (s[0] < 0x80) return 1;
  size_t n = s[0] >= 0xF0 && s[0] < 0xF8 ? 4 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xC0 && s[0] < 0xE0 ? 2 : 0;
  if (!n || n > left) return 0;
  unsigned code = s[0] & (0x7Fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
    code = code << 6 | (s[i] & 0x3Fu);
  }
  return code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : n;
}

void text_quote(Text *t, const char *s) {
  size_t left = strlen(s);
  add_bytes(t, "\"", 1);
  while (left) {
    size_t n = character((const unsigned char *)s, left);
    unsigned char c = (unsigned char)*s;
    if (!n)
      add_bytes(t, "?", 1);
    else if (c == '"' || c == '\\')
      text_format(t, "\\%c", c);
    else if (c < 0x20 || c == 0x7F)
      text_format(t, "\\u%04x", c);
    else
      add_bytes(t, s, n);
    s += n ? n : 1;
    left -= n ? n : 1;
  }
  add_bytes(t, "\"", 1);
}

void text_share(Text *t, double x) {
  long millionths = x >= 1 ? 1000000L : x > 0 ? lround(x * 1e6) : 0; /* a NaN is 0 */
  text_format(t, "%ld.%06ld", millionths / 1000000L, millionths % 1000000L);
}

void text_free(Text *t) {
  free(t->s);
  *t = (Text){0};
}

void text_clean(char *to, size_t size, const char *from, size_t length) {
  size_t have = 0;
  while (length) {
    size_t n = character((const unsigned char *)from, length);
    unsigned char c = (unsigned char)*from;
    int plain = n && !(n == 1 && (c < 0x20 || c == 0x7F));
    size_t step = n ? n : 1, out = plain ? n : 1;
    if (have + out >= size) break;
    if (plain)
      memcpy(to + have, from, n);
    else
      to[have] = '?';
    have += out;
    from += step;
    length -= step;
  }
  to[have] = 0;
}
