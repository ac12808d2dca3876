/* The host: its suites, of which any function may be missing, and property sets that may lack any property. */
#ifndef TM_HOST_H
#define TM_HOST_H

#include "ofx_abi.h"
#include "ofx_names.h"

typedef struct Suites {
  const OfxHost *host;
  const OfxPropertySuiteV1 *props;
  const OfxParameterSuiteV1 *params;
  const OfxImageEffectSuiteV1 *effects;
  const OfxMessageSuiteV2 *message2;
  const OfxMessageSuiteV1 *message1;
  const OfxProgressSuiteV2 *progress2;
  const OfxProgressSuiteV1 *progress1;
  const OfxTimeLineSuiteV1 *timeline;
  const OfxInteractSuiteV1 *interact;
  const OfxDrawSuiteV1 *draw;
  int temporal; /* clipGetImage gives other frames than the current one */
  char name[128];
} Suites;

void host_set(OfxHost *);
OfxStatus host_load(void); /* may be called any number of times, at any time */
const Suites *host(void);  /* never NULL behind a successful host_load */

int prop_int(OfxPropertySetHandle, const char *name, int index, int otherwise);
double prop_double(OfxPropertySetHandle, const char *name, int index, double otherwise);
void *prop_pointer(OfxPropertySetHandle, const char *name);
const char *prop_string(OfxPropertySetHandle, const char *name, int index); /* "" where there is none */
int prop_has(OfxPropertySetHandle, const char *name, int values);
void prop_set_int(OfxPropertySetHandle, const char *name, int index, int);
void prop_set_double(OfxPropertySetHandle, const char *name, int index, double);
void prop_set_string(OfxPropertySetHandle, const char *name, int index, const char *);
void prop_set_pointer(OfxPropertySetHandle, const char *name, void *);

OfxPropertySetHandle effect_props(OfxImageEffectHandle);
OfxParamSetHandle effect_params(OfxImageEffectHandle);
OfxImageClipHandle effect_clip(OfxImageEffectHandle, const char *name, OfxPropertySetHandle *);
int effect_aborted(OfxImageEffectHandle);

void progress_start(OfxImageEffectHandle, const char *label);
int progress_update(OfxImageEffectHandle, double share); /* 0 = the user wants to stop */
void progress_end(OfxImageEffectHandle);

#endif
