/* Text that grows, with JSON's quoting. Numbers never depend on the host's locale. */
#ifndef TM_TEXT_H
#define TM_TEXT_H

#include <stddef.h>
#include <stdint.h>

typedef struct Text {
  char *s; /* closed by a 0 once anything was added */
  size_t length, room;
  int failed; /* memory ran out: what is here is not whole */
} Text;

void text_add(Text *, const char *s);
void text_format(Text *, const char *format, ...) /* %s %d %ld %lld alone */
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
void text_quote(Text *, const char *s); /* as a JSON string; what is not UTF-8 becomes ? */
void text_share(Text *, double x);      /* a number in [0, 1] with six decimals */
void text_free(Text *);

/* Copy at most size - 1 bytes and no half character; bytes that are not UTF-8, and control characters, become ?. */
void text_clean(char *to, size_t size, const char *from, size_t length);

#endif
