#include "host.h"

#include "system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EFFECTS 64

static void *library;
static Effect *effects[EFFECTS], *descriptor;
static char *words[64];
static int word_count;

static const char *word(const char *key, const char *otherwise) {
  size_t n = strlen(key);
  for (int i = 1; i < word_count; i++)
    if (strncmp(words[i], key, n) == 0 && words[i][n] == '=') return words[i] + n + 1;
  return otherwise;
}

static double number(const char *key, double otherwise) {
  const char *s = word(key, NULL);
  return s ? atof(s) : otherwise;
}

void print_text(const char *s) {
  putchar('"');
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\')
      printf("\\%c", c);
    else if (c < 0x20)
      printf("\\u%04x", c);
    else
      putchar(c);
  }
  putchar('"');
}

/* Commands */
static void do_config(void) {
  config.temporal = (int)number("temporal", config.temporal);
  config.message = (int)number("message", config.message);
  config.progress = (int)number("progress", config.progress);
  config.timeline = (int)number("timeline", config.timeline);
  config.draw = (int)number("draw", config.draw);
  config.interact = (int)number("interact", config.interact);
  config.buttons = (int)number("buttons", config.buttons);
  bounds_first = number("first", bounds_first);
  bounds_last = number("last", bounds_last);
  char list[512];
  snprintf(list, sizeof list, "%s", word("null", ""));
  for (char *s = strtok(list, ","); s; s = strtok(NULL, ",")) take_away(s);
  props_set_string(&host_props, kOfxPropName, 0, word("name", "org.test.host"));
  props_set_number(&host_props, kOfxImageEffectPropTemporalClipAccess, 0, config.temporal);
  const char *locale = word("locale", NULL);
  printf("{\"locale\": %d}\n", locale && locale_choose(locale));
}

static void do_load(void) {
  OfxStatus status[2];
  library = library_open(word("path", ""));
  if (!library) {
    printf("{\"error\": \"library\"}\n");
    return;
  }
  int (*count)(void) = (int (*)(void))(uintptr_t)library_find(library, "OfxGetNumberOfPlugins");
  OfxPlugin *(*get)(int) = (OfxPlugin * (*)(int))(uintptr_t)library_find(library, "OfxGetPlugin");
  plugin = get(0);
  main_entry = plugin->mainEntry;
  set_host();
  OfxStatus load = main_entry(kOfxActionLoad, NULL, NULL, NULL);
  descriptor = describe(word("context", kOfxImageEffectContextFilter), status);
  printf("{\"plugins\": %d, \"beyond\": %d, \"id\": \"%s\", \"api\": \"%s\", \"load\": %d, \"describe\": %d, "
         "\"context\": %d, \"params\": [",
         count(), get(1) != NULL, plugin->pluginIdentifier, plugin->pluginApi, load, status[0], status[1]);
  for (Param *p = descriptor->params.first; p; p = p->next) {
    printf("%s{\"name\": \"%s\", \"type\": \"%s\", \"secret\": %d, \"animates\": %d, \"label\": ",
           p == descriptor->params.first ? "" : ", ", p->name, p->type, 0,
           (int)props_number(&p->props, kOfxParamPropAnimates, 0, 1));
    print_text(props_string(&p->props, kOfxPropLabel, 0, ""));
    printf(", \"choices\": [");
    const char *choice;
    for (int i = 0; (choice = props_string(&p->props, kOfxParamPropChoiceOption, i, NULL)); i++) {
      printf("%s", i ? ", " : "");
      print_text(choice);
    }
    printf("]}");
  }
  printf("], \"depths\": [");
  for (int i = 0; i < 4; i++)
    printf("%s\"%s\"", i ? ", " : "", props_string(&descriptor->props, kOfxImageEffectPropSupportedPixelDepths, i, ""));
  printf("], \"slave\": \"%s\"", props_string(&descriptor->props, kOfxImageEffectPropClipPreferencesSlaveParam, 0, ""));
  printf(", \"tiles\": %d, \"temporal\": %d, \"safety\": \"%s\", \"overlay\": %d}\n",
         (int)props_number(&descriptor->props, kOfxImageEffectPropSupportsTiles, 0, 1),
         (int)props_number(&descriptor->props, kOfxImageEffectPropTemporalClipAccess, 0, 0),
         props_string(&descriptor->props, kOfxImageEffectPluginRenderThreadSafety, 0, ""),
         props_pointer(&descriptor->props, kOfxImageEffectPluginPropOverlayInteractV2) != NULL);
}

static Effect *chosen(void) { return effects[(int)number("id", 0) % EFFECTS]; }

static void do_create(void) {
  OfxStatus status;
  int id = 0;
  while (effects[id]) id++;
  effects[id] = create(descriptor, word("context", kOfxImageEffectContextFilter), &status);
  printf("{\"id\": %d, \"status\": %d}\n", id, status);
}

static void do_destroy(void) {
  Effect *e = chosen();
  OfxStatus status = main_entry(kOfxActionDestroyInstance, e, NULL, NULL);
  effects[(int)number("id", 0)] = NULL;
  effect_free(e);
  printf("{\"status\": %d}\n", status);
}

static void read_layout(Layout *l) {
  snprintf(l->depth, sizeof l->depth, "OfxBitDepth%s", word("depth", "Byte"));
  snprintf(l->components, sizeof l->components, "OfxImageComponent%s", word("comps", "RGBA"));
  snprintf(l->alpha, sizeof l->alpha, "%s", word("alpha", kOfxImageOpaque));
  l->size = strstr(l->depth, "Byte") ? 1 : strstr(l->depth, "Float") ? 4 : 2;
  l->count = strstr(l->components, "RGBA") ? 4 : strstr(l->components, "RGB") ? 3 : 1;
  l->x1 = (int)number("x1", 0), l->y1 = (int)number("y1", 0);
  l->w = (int)number("w", 0), l->h = (int)number("h", 0);
  l->rx = (int)number("rx", 0), l->ry = (int)number("ry", 0), l->rw = (int)number("rw", 0),
  l->rh = (int)number("rh", 0);
  l->padding = (int)number("pad", 0), l->negative = (int)number("negative", 0);
}

static void do_source(void) {
  Effect *e = chosen();
  read_layout(&e->source);
  e->output = e->source;
  e->frame_count = (int)number("frames", 1);
  e->first = (int)number("first", 0);
  e->connected = (int)number("connected", 1);
  e->aspect = number("aspect", 1);
  e->shorter_from = (int)number("shorter_from", 0);
  size_t size = (size_t)(e->source.w * e->source.h * e->source.size * e->source.count) * (size_t)e->frame_count;
  free(e->frames);
  e->frames = malloc(size);
  FILE *f = fopen(word("path", ""), "rb");
  size_t n = f ? fread(e->frames, 1, size, f) : 0;
  if (f) fclose(f);
  Props *p = &e->clips[0].props;
  if (number("range", 1) != 0) {
    props_set_number(p, kOfxImageEffectPropFrameRange, 0, e->first);
    props_set_number(p, kOfxImageEffectPropFrameRange, 1, e->first + e->frame_count - 1);
  }
  printf("{\"whole\": %d}\n", n == size);
}

static void do_output(void) {
  read_layout(&chosen()->output);
  printf("{}\n");
}

static void set_param(Effect *e) {
  Param *p = params_find(&e->params, word("param", ""));
  if (!p) return;
  const char *value = word("value", "");
  if (strcmp(p->type, kOfxParamTypeString) == 0)
    param_set_text(p, value);
  else if (strcmp(p->type, kOfxParamTypeChoice) == 0 &&
           strcmp(props_string(&host_props, kOfxPropName, 0, ""), "MLT") == 0)
    props_set_string(&p->props, "MltOfxParamValue", 0, value); /* as text, which is none of the labels */
  else
    sscanf(value, "%lf %lf", &p->v[0], &p->v[1]);
}

static void do_get(void) {
  Param *p = params_find(&chosen()->params, word("param", ""));
  printf("{\"value\": [%.17g, %.17g], \"text\": ", p ? p->v[0] : NAN, p ? p->v[1] : NAN);
  print_text(p ? p->s : "");
  printf("}\n");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void do_render(void) {
  Effect *e = chosen();
  const Layout *l = &e->output;
  int window[4] = {l->x1, l->y1, l->x1 + l->w, l->y1 + l->h};
  sscanf(word("window", ""), "%d %d %d %d", &window[0], &window[1], &window[2], &window[3]);
  atomic_store(&e->abort_after, (int)number("abort", -1));
  const size_t size = (size_t)(l->w * l->h * l->size * l->count);
  unsigned char *tight = malloc(size);
  memset(tight, 0x5A, size);
  Image *target = image_new(e, l, tight);
  double begin = now();
  OfxStatus status = render(e, target, number("time", 0), window, number("scale", 1), number("srcframe", -1));
  double seconds = now() - begin;
  image_take(target, tight);
  FILE *f = fopen(word("out", "/dev/null"), "wb");
  if (f) {
    fwrite(tight, 1, size, f);
    fclose(f);
  }
  image_free(target);
  free(tight);
  printf("{\"status\": %d, \"seconds\": %.4f}\n", status, seconds);
}

static void do_prefs(void) {
  Effect *e = chosen();
  Props in, out;
  props_init(&in);
  props_init(&out);
  OfxStatus r = main_entry(kOfxImageEffectActionGetClipPreferences, e, NULL, &out);
  props_set_number(&in, kOfxPropTime, 0, number("time", 0));
  printf("{\"prefs\": %d, \"alpha\": \"%s\", \"comps\": \"%s\", ", r,
         props_string(&out, kOfxImageEffectPropPreMultiplication, 0, ""),
         props_string(&out, "OfxImageClipPropComponents_Output", 0, ""));
  r = main_entry(kOfxImageEffectActionIsIdentity, e, &in, &out);
  printf("\"identity\": %d, \"clip\": \"%s\"}\n", r, props_string(&out, kOfxPropName, 0, ""));
  props_clear(&in);
  props_clear(&out);
}

static void do_report(void) {
  printf("{\"images\": %d, \"sets_in_render\": %d, \"guard_faults\": %d, \"messages\": %d, \"clears\": %d, "
         "\"progress\": %d, \"progress_ends\": %d, \"draws\": %d, ",
         live_images, sets_in_render, guard_faults, messages, clears, progress_calls, progress_ends, draw_calls);
  printf("\"label\": ");
  print_text(last_label);
  printf(", \"message\": ");
  print_text(last_message);
  printf("}\n");
}

static void *press_later(void *arg) {
  char **said = arg;
  press(effects[0], said[0], atof(said[1]), kOfxChangeUserEdited, -1);
  return NULL;
}

static void do_press(void) {
  static pthread_t id;
  static char name[64], time[32], *said[2] = {name, time};
  atomic_store(&cancel_after, (int)number("cancel", -1));
  atomic_store(&stop_after, (int)number("stop", -1));
  if (strcmp(words[0], "join") == 0) {
    pthread_join(id, NULL);
    printf("{}\n");
  } else if (strcmp(words[0], "begin") == 0) {
    snprintf(name, sizeof name, "%s", word("param", ""));
    snprintf(time, sizeof time, "%s", word("time", "0"));
    pthread_create(&id, NULL, press_later, said);
    printf("{}\n");
  } else {
    double begin = now();
    OfxStatus r = press(chosen(), word("param", ""), number("time", 0), word("reason", kOfxChangeUserEdited),
                        number("srcframe", -1));
    printf("{\"status\": %d, \"seconds\": %.4f}\n", r, now() - begin);
  }
}

static void do_pen(void) {
  OfxPluginEntryPoint *entry =
      (OfxPluginEntryPoint *)(uintptr_t)props_pointer(&descriptor->props, kOfxImageEffectPluginPropOverlayInteractV2);
  Props in;
  char action[64];
  props_init(&in);
  props_set_pointer(&interact_props, kOfxPropEffectInstance, chosen());
  props_set_number(&interact_props, kOfxInteractPropPixelScale, 0, 1);
  props_set_pointer(&in, kOfxInteractPropDrawContext, &in);
  props_set_number(&in, kOfxPropTime, 0, number("time", 0));
  props_set_number(&in, kOfxInteractPropPenPosition, 0, number("x", 0));
  props_set_number(&in, kOfxInteractPropPenPosition, 1, number("y", 0));
  snprintf(action, sizeof action, "%s", word("action", ""));
  OfxStatus r = entry ? entry(action, &interact_props, &in, NULL) : -1;
  props_clear(&in);
  printf("{\"status\": %d, \"draws\": %d, \"slaves\": [", r, draw_calls);
  const char *slave;
  for (int i = 0; (slave = props_string(&interact_props, kOfxInteractPropSlaveToParam, i, NULL)); i++)
    printf("%s\"%s\"", i ? ", " : "", slave);
  printf("]}\n");
}

static int run_command(void) {
  const char *c = words[0];
  if (strcmp(c, "config") == 0)
    do_config();
  else if (strcmp(c, "load") == 0)
    do_load();
  else if (strcmp(c, "create") == 0)
    do_create();
  else if (strcmp(c, "destroy") == 0)
    do_destroy();
  else if (strcmp(c, "source") == 0)
    do_source();
  else if (strcmp(c, "output") == 0)
    do_output();
  else if (strcmp(c, "set") == 0)
    set_param(chosen()), printf("{}\n");
  else if (strcmp(c, "get") == 0)
    do_get();
  else if (strcmp(c, "press") == 0 || strcmp(c, "begin") == 0 || strcmp(c, "join") == 0)
    do_press();
  else if (strcmp(c, "render") == 0)
    do_render();
  else if (strcmp(c, "prefs") == 0)
    do_prefs();
  else if (strcmp(c, "report") == 0)
    do_report();
  else if (strcmp(c, "stress") == 0)
    stress(chosen(), (int)number("threads", 4), (int)number("churn", 0), (int)number("count", 20));
  else if (strcmp(c, "pen") == 0)
    do_pen();
  else if (strcmp(c, "unload") == 0)
    printf("{\"status\": %d}\n", main_entry(kOfxActionUnload, NULL, NULL, NULL));
  else if (strcmp(c, "reload") == 0)
    set_host(), printf("{\"status\": %d}\n", main_entry(kOfxActionLoad, NULL, NULL, NULL));
  else if (strcmp(c, "quit") == 0)
    return 0;
  else
    printf("{\"error\": \"command\"}\n");
  fflush(stdout);
  return 1;
}

int main(void) {
  static char line[1 << 18];
  props_init(&host_props);
  props_init(&interact_props);
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    word_count = 0;
    for (char *s = strtok(line, "\t"); s && word_count < 64; s = strtok(NULL, "\t")) words[word_count++] = s;
    if (word_count && !run_command()) break;
  }
  for (int i = 0; i < EFFECTS; i++)
    if (effects[i]) effect_free(effects[i]);
  if (descriptor) effect_free(descriptor);
  props_clear(&host_props);
  props_clear(&interact_props);
  locale_forget();
  if (library) library_close(library);
  return 0;
}
