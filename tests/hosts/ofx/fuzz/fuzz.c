/* Mutated text and messages for everything in the plug-in that reads: fuzz SECONDS SEED < seeds, one a line. Built with
 * sanitizers, it ends at the first fault; it ends by itself where a rule is broken that must hold for every input. */
#include "client.h"
#include "prompts.h"
#include "sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEEDS 64
#define MOST  200000

static char *seeds[SEEDS];
static int seed_count;
static uint64_t state;
static char buffer[MOST + 4096];

static void must(int fine, const char *rule) {
  if (fine) return;
  fprintf(stderr, "broken rule: %s\n", rule);
  fwrite(buffer, 1, 2000, stderr);
  exit(3);
}

static unsigned pick(unsigned n) { /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (unsigned)((state * 0x2545F4914F6CDD1DULL) >> 33) % n;
}

static size_t mutate(size_t n) {
  static const char *const bits[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\u",
                                     "\\ud800",
                                     "\\udc00",
                                     "1e308",
                                     "-",
                                     "0",
                                     "1e-400",
                                     "9007199254740993",
                                     "null",
                                     "true",
                                     "\"frame\"",
                                     "\"object\"",
                                     "\xff",
                                     "\xed\xa0\x80",
                                     "\xf0\x9f\x98\x80",
                                     "\n",
                                     "1.",
                                     "\\"};
  for (unsigned i = 0, rounds = 1 + pick(6); i < rounds && n; i++) {
    size_t at = pick((unsigned)n), more = strlen(bits[0]);
    const char *bit = bits[pick(sizeof bits / sizeof *bits)];
    switch (pick(5)) {
    case 0: buffer[at] = (char)pick(256); break;
    case 1: n = at; break;
    case 2:
      more = strlen(bit);
      if (n + more > MOST) break;
      memmove(buffer + at + more, buffer + at, n - at);
      memcpy(buffer + at, bit, more);
      n += more;
      break;
    case 3: {
      size_t length = pick((unsigned)(n - at)) + 1;
      if (n + length > MOST) break;
      memmove(buffer + at + length, buffer + at, n - at);
      n += length;
      break;
    }
    default: {
      size_t length = pick((unsigned)(n - at)) + 1;
      memmove(buffer + at, buffer + at + length, n - at - length);
      n -= length;
    }
    }
  }
  buffer[n] = 0;
  return n;
}

static int is_clean(const char *s) {
  char again[4096];
  text_clean(again, sizeof again, s, strlen(s));
  return strcmp(again, s) == 0;
}

static void try_json(size_t n) {
  static const char *const keys[] = {"state", "note", "code",  "message", "frames", "doubtful",
                                     "done",  "of",   "first", "last",    "stale",  "pid"};
  char *exact = malloc(n ? n : 1), text[64];
  Json json;
  memcpy(exact, buffer, n); /* so that a byte read behind the end is found */
  if (json_read(&json, exact, n)) {
    must(json.nodes[0].next == json.count, "one value, all of it");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
      double d;
      int64_t k;
      int f;
      json_number(&json, 0, keys[i], &d);
      json_flag(&json, 0, keys[i], &f);
      if (json_integer(&json, 0, keys[i], &k)) must(k <= 1LL << 53 && k >= -(1LL << 53), "integers are small");
      if (json_string(&json, 0, keys[i], text, sizeof text))
        must(strlen(text) < sizeof text && is_clean(text), "strings are clean");
    }
    json_free(&json);
  }
  free(exact);
}

static void try_prompts(void) {
  Prompts *prompts = prompts_read(buffer);
  Text first = {0}, second = {0};
  int64_t low, high;
  if (!prompts) return;
  must(prompts->points <= POINTS_MOST && prompts->boxes <= BOXES_MOST, "as many as there is room for");
  prompts_write(prompts, &first);
  prompts_span(prompts, &low, &high);
  Prompts *again = prompts_read(first.s);
  if (again) { /* a box that is thinner than a millionth is lost */
    prompts_write(again, &second);
    must(first.length == second.length && memcmp(first.s, second.s, first.length) == 0,
         "what was written is read as the same");
    must(again->points == prompts->points, "no point is lost");
    PromptPoint point = {0};
    prompts_set(again, 3, &point, 1);
  }
  free(again);
  free(prompts);
  text_free(&first);
  text_free(&second);
}

/* As the engine's answer: a header, right or mutated as well, and the line then ends. */
static void try_message(size_t n) {
  int ends[2];
  char *message = malloc(n + WIRE_HEADER);
  const uint32_t parts[4] = {WIRE_MAGIC, 1u | (1 + pick(15)) << 16, 1, (uint32_t)n};
  Client client = {.line = SYS_NO_HANDLE, .request = 1, .reply = malloc(WIRE_MOST + 1)};
  SysWait wait = sys_wait(60000);
  client.slots.handle = SYS_NO_HANDLE;
  memcpy(message, parts, sizeof parts);
  memcpy(message + WIRE_HEADER, buffer, n);
  if (pick(4) == 0) message[pick(WIRE_HEADER)] ^= (char)(1 << pick(8));
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "a pair of sockets");
  if (send(ends[1], message, n + WIRE_HEADER, MSG_NOSIGNAL) < 0) n = 0;
  close(ends[1]);
  client.line = ends[0];
  for (int i = 0; i < 3 && !client.spoiled; i++) {
    ClientState heard = client_hear(&client, &wait);
    must(heard != CLIENT_SLOW, "an end is seen at once");
    if (heard == CLIENT_REFUSED)
      must(is_clean(client.code) && is_clean(client.message), "the engine's words are clean");
  }
  must(client.spoiled, "a line that ended is of no use");
  json_free(&client.json);
  free(client.reply);
  free(message);
  close(ends[0]);
}

int main(int count, char **words) {
  const int64_t end = sys_now() + (int64_t)(atof(words[1]) * 1000);
  long rounds = 0;
  if (count < 3) return 2;
  state = strtoull(words[2], NULL, 10) * 2654435761u + 88172645463325252u;
  while (seed_count < SEEDS && fgets(buffer, MOST, stdin)) {
    buffer[strcspn(buffer, "\n")] = 0;
    seeds[seed_count++] = strdup(buffer);
  }
  for (; sys_now() < end; rounds++) {
    const char *seed = seeds[pick((unsigned)seed_count)];
    size_t n = strlen(seed);
    memcpy(buffer, seed, n + 1);
    n = mutate(n);
    try_json(n);
    try_prompts();
    if (n < WIRE_MOST) try_message(n);
  }
  for (int i = 0; i < seed_count; i++) free(seeds[i]);
  printf("%ld\n", rounds);
  return 0;
}
