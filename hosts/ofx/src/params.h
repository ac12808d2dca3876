/* The parameters: their names, and reading and setting them. */
#ifndef TM_PARAMS_H
#define TM_PARAMS_H

#include "host.h"

#include <stdint.h>

#define HANDLES      6
#define PROMPTS_SIZE 131072 /* bytes of the prompts' text, at most */

typedef enum Output { OUTPUT_ALPHA, OUTPUT_RGB, OUTPUT_CUTOUT, OUTPUT_BLUR, OUTPUT_SOURCE, OUTPUT_COUNT } Output;

/* Names of parameters; they are in users' projects and never change. */
#define P_PROMPTS     "prompts"
#define P_SET         "setAtFrame"
#define P_CLEAR       "clear"
#define P_FORWARD     "trackForward"
#define P_BACKWARD    "trackBackward"
#define P_BOTH        "trackBoth"
#define P_MATTE       "matte"
#define P_STOP        "stop"
#define P_STATUS      "status"
#define P_REFRESH     "refresh"
#define P_OUTPUT      "output"
#define P_GROW        "shrinkGrow"
#define P_FEATHER     "feather"
#define P_BLUR        "blurAmount"
#define P_TRACKER     "tracker"
#define P_REFINER     "refiner"
#define P_COLOUR      "colour"
#define P_MEDIA       "mediaPath"
#define P_NUMBER      "clipNumber"
#define P_OFFSET      "frameOffset"
#define P_IN          "firstFrame"
#define P_OUT         "lastFrame"
#define P_SESSION     "session"
#define P_NEW_SESSION "newSession"

extern const char *const handle_names[HANDLES], *const sign_names[HANDLES];
extern const char *const tracker_names[], *const refiner_names[], *const colour_names[];

/* Everything of one instance at one time, but the prompts and handles. */
typedef struct Settings {
  int output;
  double grow, feather, blur; /* pixels at full size */
  const char *tracker, *refiner, *colour;
  char media[4097];
  int64_t offset, in, out;
  char session[37]; /* "" where there is none yet */
} Settings;

void params_define(OfxParamSetHandle);
void params_read(OfxParamSetHandle, OfxTime, Settings *);

int param_int(OfxParamSetHandle, const char *name, OfxTime, int otherwise);
int param_choice(OfxParamSetHandle, const char *name, OfxTime, int count); /* from 0 to count - 1 */
double param_double(OfxParamSetHandle, const char *name, OfxTime, double otherwise);
int param_point(OfxParamSetHandle, const char *name, OfxTime, OfxPointD *); /* 1 = read */
const char *param_string(OfxParamSetHandle, const char *name);              /* the host's, until the next call */
void param_set_string(OfxParamSetHandle, const char *name, const char *);
void param_set_int(OfxParamSetHandle, const char *name, int);
void param_set_point(OfxParamSetHandle, const char *name, OfxPointD);
void params_edit(OfxParamSetHandle, const char *label); /* one step of undo, until params_edited */
void params_edited(OfxParamSetHandle);

int is_session(const char *); /* a UUID in small letters */
int new_session(char to[37]);
void session_of_media(const char *path, char to[37]); /* always the same for the same path */

#endif
