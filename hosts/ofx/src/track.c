/* Tracking and matting: frames to the engine if it cannot read the clip itself, prompts, the pass, and what came of it.
 */
#include "actions.h"
#include "prompts.h"
#include "push.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_MOST 300000 /* ms without a word from the engine: models are loaded, and a frame can take long */
#define ANSWER_MOST  60000  /* ms for all other answers: the first prompt loads a model */
#define LEAVE_MOST   30000  /* ms that the frame in hand may take when a pass is stopped */

typedef struct Run {
  Instance *instance;
  Settings settings;
  Pass pass;
  Client *client;
  OfxTime time;
  double share;        /* of the whole work that is done */
  int64_t ask_at;      /* when the host is asked again whether to go on */
  int off;             /* it said no */
  int begun;           /* the engine was asked for the pass: some frames may be made */
  int64_t first, last; /* keys of the clip */
  int64_t from, to;    /* keys of this pass */
  int64_t prompted, prompted_last;
  int64_t shift;  /* key minus time */
  char more[512]; /* for the user */
} Run;

/* Asked at every step of a wait; the host, which may redraw a window for it, only now and then. */
static int called_off(void *who) {
  Run *run = who;
  const int64_t now = sys_now();
  if (!run->off && now >= run->ask_at) {
    run->ask_at = now + SYS_SLICE;
    run->off = !progress_update(run->instance->effect, run->share);
  }
  return run->off || atomic_load(&run->instance->stop);
}

static SysWait run_wait(Run *run, int ms) {
  SysWait wait = {sys_now() + ms, called_off, run};
  return wait;
}

static ClientState refuse(Run *run, const char *why) {
  snprintf(run->more, sizeof run->more, "%s", why);
  return CLIENT_REFUSED;
}

static ClientState engine_says(Run *run, ClientState state) {
  if (state == CLIENT_REFUSED && !run->more[0])
    text_clean(run->more, sizeof run->more, run->client->message, strlen(run->client->message));
  return state;
}

/* In and out on the source, by what the host knows of it; the engine cuts to the frames there are. */
static int clip_range(Run *run) {
  OfxPropertySetHandle p = run->instance->source_props;
  double first = prop_double(p, kOfxImageEffectPropFrameRange, 0, 0),
         last = prop_double(p, kOfxImageEffectPropFrameRange, 1, -1);
  const OfxTimeLineSuiteV1 *t = host()->timeline;
  if (!(last >= first) &&
      (!t || !t->getTimeBounds || t->getTimeBounds(run->instance->effect, &first, &last) != kOfxStatOK))
    return 0;
  if (!(last >= first) || fabs(first) > 1e8 || fabs(last) > 1e8) return 0;
  run->first = (int64_t)ceil(first) + run->shift;
  run->last = (int64_t)floor(last) + run->shift;
  return run->last >= run->first;
}

static ClientState choose_range(Run *run) {
  const Settings *s = &run->settings;
  const Json *json = &run->client->json; /* the STATUS of OPEN */
  const int set = (s->in || s->out) && s->in <= s->out;
  int known = uses_media(s) ? json_integer(json, 0, "first", &run->first) && json_integer(json, 0, "last", &run->last)
                            : clip_range(run);
  if (!known && !set) return refuse(run, "The host does not say how long the clip is; set In and Out.");
  if (set && (!known || run->first < s->in)) run->first = s->in;
  if (set && (!known || run->last > s->out)) run->last = s->out;
  run->from = run->pass == PASS_FORWARD && run->prompted > run->first ? run->prompted : run->first;
  run->to = run->pass == PASS_BACKWARD && run->prompted_last < run->last ? run->prompted_last : run->last;
  return run->from <= run->to ? CLIENT_OK : refuse(run, "In and Out leave no frame to work on.");
}

static ClientState push_all(Run *run) {
  if (uses_media(&run->settings) || run->pass == PASS_MATTE) return CLIENT_OK;
  const double frames = (double)(run->to - run->from + 1);
  PushFirst first = {0};
  for (int64_t key = run->from; key <= run->to; key++) {
    SysWait wait = run_wait(run, ANSWER_MOST);
    run->share = .05 + .35 * (double)(key - run->from) / frames;
    run->ask_at = 0;
    if (called_off(run)) return CLIENT_QUIT;
    ClientState state = push_frame(run->instance, run->client, &run->settings, (OfxTime)(key - run->shift), key, &first,
                                   run->more, sizeof run->more, &wait);
    if (state != CLIENT_OK) return engine_says(run, state);
  }
  return CLIENT_OK;
}

static ClientState send_prompts(Run *run, const Prompts *prompts) {
  Text json = {0};
  SysWait wait = run_wait(run, ANSWER_MOST);
  text_format(&json, "{\"session\":\"%s\",\"prompts\":", run->settings.session);
  prompts_write(prompts, &json);
  text_add(&json, "}");
  ClientState state = json.length > WIRE_MOST
                          ? refuse(run, "The prompts are too long for the engine; take some points back.")
                          : client_ask(run->client, WIRE_PROMPTS, &json, WIRE_STATUS, &wait);
  text_free(&json);
  return engine_says(run, state);
}

/* The engine finishes the frame in hand and says so; a line that does not is given up. */
static ClientState cancel(Run *run) {
  const Text nothing = {"{}", 2, 0, 0};
  SysWait wait = sys_wait(LEAVE_MOST);
  ClientState state = client_say(run->client, WIRE_CANCEL, &nothing, SYS_NO_HANDLE, &wait);
  while (state == CLIENT_OK && (state = client_hear(run->client, &wait)) == CLIENT_OK &&
         run->client->head.type == WIRE_PROGRESS)
    continue;
  if (state != CLIENT_OK && state != CLIENT_REFUSED) run->client->spoiled = 1;
  return CLIENT_QUIT;
}

static ClientState hear_all(Run *run) {
  const double begin = run->share;
  for (;;) {
    int64_t done = 0, of = 0;
    SysWait wait = run_wait(run, SILENCE_MOST), soon = sys_wait(ANSWER_MOST);
    ClientState state = client_await(run->client, &wait);
    if (state == CLIENT_QUIT) return cancel(run);
    if (state == CLIENT_OK) state = client_hear(run->client, &soon);
    if (state != CLIENT_OK) {
      if (state != CLIENT_REFUSED) run->client->spoiled = 1;
      return engine_says(run, state);
    }
    if (run->client->head.type == WIRE_DONE) return CLIENT_OK;
    if (run->client->head.type != WIRE_PROGRESS) {
      run->client->spoiled = 1;
      return CLIENT_BROKEN;
    }
    if (json_integer(&run->client->json, 0, "done", &done) && json_integer(&run->client->json, 0, "of", &of) &&
        of > 0 && done >= 0 && done <= of)
      run->share = begin + (1 - begin) * (double)done / (double)of;
  }
}

static ClientState pass_over(Run *run) {
  static const char *const directions[] = {"forward", "backward", "both"};
  Text json = {0};
  SysWait wait = run_wait(run, ANSWER_MOST);
  text_format(&json, "{\"session\": \"%s\", \"from\": %lld, \"to\": %lld", run->settings.session, (long long)run->from,
              (long long)run->to);
  if (run->pass != PASS_MATTE) text_format(&json, ", \"dir\": \"%s\"", directions[run->pass]);
  text_add(&json, "}");
  ClientState state =
      client_say(run->client, run->pass == PASS_MATTE ? WIRE_REFINE : WIRE_TRACK, &json, SYS_NO_HANDLE, &wait);
  text_free(&json);
  run->begun = state == CLIENT_OK;
  return run->begun ? hear_all(run) : state;
}

/* What DONE says, for the status line. */
static void summary(Run *run) {
  int64_t frames = 0;
  char note[256] = "";
  Text text = {0};
  const Json *json = &run->client->json;
  json_integer(json, 0, "frames", &frames);
  text_format(&text, "%s: %lld frame%s.", run->pass == PASS_MATTE ? "Matted" : "Tracked", (long long)frames,
              frames == 1 ? "" : "s");
  int list = json_find(json, 0, "doubtful"), shown = 0;
  if (list >= 0 && json->nodes[list].kind == JSON_ARRAY)
    for (int at = list + 1; at < json->nodes[list].next && shown < 8; at = json->nodes[at].next)
      if (json->nodes[at].kind == JSON_NUMBER && fabs(json->nodes[at].number) < 1e9)
        text_format(&text, "%s %ld", shown++ ? "," : " Look at", (long)json->nodes[at].number);
  if (shown) text_add(&text, ".");
  if (json_string(json, 0, "note", note, sizeof note) && *note) text_format(&text, " %s", note);
  snprintf(run->more, sizeof run->more, "%s", text.failed || !text.s ? "Done." : text.s);
  text_free(&text);
}

static ClientState make_session(Run *run) {
  if (run->settings.session[0]) return CLIENT_OK;
  if (!new_session(run->settings.session)) return refuse(run, "The system gave no random number to name this shot by.");
  param_set_string(run->instance->params, P_SESSION, run->settings.session);
  return CLIENT_OK;
}

static ClientState work(Run *run, const Prompts *prompts) {
  ClientState state = make_session(run);
  if (state == CLIENT_OK) state = start_engine(run->instance, &run->client, run->more, sizeof run->more);
  if (state != CLIENT_OK) return state;
  SysWait wait = run_wait(run, ANSWER_MOST);
  run->share = .05;
  state = engine_says(run, session_open(run->client, &run->settings, 1, &wait));
  if (state == CLIENT_OK) state = choose_range(run);
  if (state == CLIENT_OK) state = push_all(run);
  if (state == CLIENT_OK) state = send_prompts(run, prompts);
  if (state == CLIENT_OK) state = pass_over(run);
  if (state == CLIENT_OK) summary(run);
  return state;
}

static int is_ready(Run *run, const Prompts *prompts) {
  const char *why = NULL;
  if (!prompts)
    why = "The text under Prompts cannot be understood; put it right, or press Clear.";
  else if (!prompts_span(prompts, &run->prompted, &run->prompted_last))
    why = "Say first what the subject is: put a point on it, set it to + keep, and press Set at frame.";
  else if (!uses_media(&run->settings) && !host()->temporal)
    why = "This host gives an effect no frame but the current one: name the clip's file under Media path.";
  if (why) instance_status(run->instance, why);
  return !why;
}

static void report(Run *run, ClientState state) {
  Instance *instance = run->instance;
  const char *text = state == CLIENT_QUIT ? "Stopped; what is finished stays."
                     : run->more[0]       ? run->more
                                          : trouble_text(trouble_of(state));
  instance_status(instance, text);
  /* Why the user's own request failed says more than what a render said before. */
  if (state != CLIENT_OK && state != CLIENT_QUIT) instance_forget(instance);
  instance_tell(instance, trouble_of(state), state == CLIENT_OK ? NULL : text);
  if (state == CLIENT_OK || state == CLIENT_QUIT || run->begun) /* the host renders again */
    param_set_int(instance->params, P_REFRESH, (param_int(instance->params, P_REFRESH, run->time, 0) + 1) % 1000000);
}

void run_pass(Instance *instance, Pass pass, OfxTime time, OfxPropertySetHandle in) {
  Run run = {0};
  int idle = 0;
  if (!atomic_compare_exchange_strong(&instance->running, &idle, 1)) {
    instance_status(instance, "A pass is running already; press Stop first.");
    return;
  }
  atomic_store(&instance->stop, 0);
  run.instance = instance;
  run.pass = pass;
  run.time = time;
  params_read(instance->params, time, &run.settings);
  const int64_t key = frame_key(in, time, run.settings.offset);
  run.shift = key - llround(time);
  if (!*param_string(instance->params, P_PROMPTS)) prompts_at_frame(instance, time, key);
  Prompts *prompts = prompts_read(param_string(instance->params, P_PROMPTS));
  if (is_ready(&run, prompts)) {
    progress_start(instance->effect, pass == PASS_MATTE ? "Trackmatte: matting" : "Trackmatte: tracking");
    ClientState state = work(&run, prompts);
    if (run.client) run.client->spoiled = 1; /* it may hold a whole plate in memory, which no frame to come needs */
    client_give(run.client, state);
    progress_end(instance->effect);
    report(&run, state);
  }
  free(prompts);
  atomic_store(&instance->running, 0);
}
