/* A small OFX host for tests: reads commands from standard input, answers each with one line of JSON. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include "ofx_abi.h"
#include "ofx_names.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

/* Properties */
typedef struct Prop {
  char *name;
  int count;
  char *strings[32];
  double numbers[32];
  void *pointers[8];
  struct Prop *next;
} Prop;

struct OfxPropertySetStruct {
  Prop *first;
  pthread_mutex_t lock;
  struct Image *image; /* of image handles */
};

typedef struct OfxPropertySetStruct Props;
void props_init(Props *);
void props_clear(Props *);
const char *props_string(Props *, const char *name, int index, const char *otherwise);
double props_number(Props *, const char *name, int index, double otherwise);
void *props_pointer(Props *, const char *name);
void props_set_string(Props *, const char *name, int index, const char *);
void props_set_number(Props *, const char *name, int index, double);
void props_set_pointer(Props *, const char *name, void *);
extern OfxPropertySuiteV1 property_suite;

/* Parameters */
struct OfxParamStruct {
  char name[64], type[64];
  Props props;
  double v[2];
  char *s;
  char *old[4]; /* strings the plug-in may still hold */
  struct OfxParamSetStruct *set;
  struct OfxParamStruct *next;
};

struct OfxParamSetStruct {
  struct OfxParamStruct *first;
  Props props;
  struct OfxImageEffectStruct *effect;
  int describing;
};

typedef struct OfxParamStruct Param;
void params_copy(struct OfxParamSetStruct *to, struct OfxParamSetStruct *from);
void params_clear(struct OfxParamSetStruct *);
Param *params_find(struct OfxParamSetStruct *, const char *name);
void param_set_text(Param *, const char *);
extern OfxParameterSuiteV1 parameter_suite;

/* Pictures: a clip of frames in a file, laid out as a test wants it. */
typedef struct Layout {
  char depth[32], components[32], alpha[64];
  int size, count;    /* bytes of a sample, samples of a pixel */
  int x1, y1, w, h;   /* bounds */
  int rx, ry, rw, rh; /* the whole frame; rw = 0: as the bounds */
  int padding, negative;
} Layout;

typedef struct Image {
  Props props;
  unsigned char *memory; /* with guards before and behind */
  size_t size;
  ptrdiff_t row;
  unsigned char *pixel; /* at (x1, y1) */
  Layout layout;
} Image;

struct OfxImageClipStruct {
  char name[32];
  Props props;
  struct OfxImageEffectStruct *effect;
};

struct OfxImageEffectStruct {
  Props props;
  struct OfxParamSetStruct params;
  struct OfxImageClipStruct clips[3];
  int clip_count;
  Layout source, output;
  unsigned char *frames; /* of the source, rows from the top down, tight */
  int frame_count, first, connected;
  double aspect;          /* of a pixel: in the host's coordinates it is so wide */
  int shorter_from;       /* frames from here on lack their lowest row; 0 = none does */
  atomic_int abort_after; /* calls of abort() until it says yes; < 0 = never */
  atomic_int descriptor;
};

typedef struct OfxImageEffectStruct Effect;
extern OfxImageEffectSuiteV1 effect_suite;
Image *image_new(Effect *, const Layout *, const unsigned char *tight);
void image_free(Image *);
int image_intact(const Image *); /* nobody wrote between and around the rows */
void image_take(const Image *, unsigned char *tight);

/* What a thread is doing, and what went wrong. */
extern _Thread_local Image *render_target; /* set: this thread renders into it */
extern _Thread_local double render_time;
extern atomic_int live_images, sets_in_render, guard_faults, messages, clears, progress_calls, progress_ends,
    cancel_after, stop_after;
extern pthread_mutex_t log_lock;
extern char last_message[2048], last_label[256];

typedef struct Config {
  int temporal, message, progress, timeline, draw, interact, buttons;
} Config;
extern Config config;
extern double bounds_first, bounds_last;
void take_away(const char *function); /* make an optional function NULL */
const void *fetch_suite(OfxPropertySetHandle, const char *name, int version);
extern Props host_props;
extern int draw_calls;
extern Props interact_props;
extern OfxPluginEntryPoint *main_entry;
extern OfxPlugin *plugin;
OfxStatus press(Effect *, const char *param, double time, const char *reason, double source_frame);

Effect *effect_new(void);
void effect_free(Effect *);
Effect *describe(const char *context, OfxStatus status[2]);
Effect *create(Effect *from, const char *context, OfxStatus *);
OfxStatus render(Effect *, Image *target, double time, const int window[4], double scale, double source_frame);
void set_host(void);
void stress(Effect *, int threads, int churn, int count); /* prints what went wrong */
void print_text(const char *s);                           /* as a JSON string */
#endif
