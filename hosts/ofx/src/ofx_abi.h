/* The OpenFX image-effect ABI, as far as this plug-in uses it: types, status codes and suites. The strings are in
 * ofx_names.h. Both are held to a table of the standard's values, sizes and member orders by
 * tests/hosts/ofx/test_abi.py. */
#ifndef TM_OFX_ABI_H
#define TM_OFX_ABI_H

#include <stddef.h>

#if defined(_WIN32)
#define OFX_EXPORT __declspec(dllexport)
#else
#define OFX_EXPORT __attribute__((visibility("default")))
#endif

typedef int OfxStatus;
#define kOfxStatOK                    0
#define kOfxStatFailed                1
#define kOfxStatErrFatal              2
#define kOfxStatErrUnknown            3
#define kOfxStatErrMissingHostFeature 4
#define kOfxStatErrUnsupported        5
#define kOfxStatErrExists             6
#define kOfxStatErrBadHandle          9
#define kOfxStatErrBadIndex           10
#define kOfxStatErrValue              11
#define kOfxStatErrMemory             8
#define kOfxStatReplyYes              12
#define kOfxStatReplyNo               13
#define kOfxStatReplyDefault          14

typedef struct OfxPropertySetStruct *OfxPropertySetHandle;
typedef struct OfxParamStruct *OfxParamHandle;
typedef struct OfxParamSetStruct *OfxParamSetHandle;
typedef struct OfxImageEffectStruct *OfxImageEffectHandle;
typedef struct OfxImageClipStruct *OfxImageClipHandle;
typedef struct OfxImageMemoryStruct *OfxImageMemoryHandle;
typedef struct OfxInteract *OfxInteractHandle;
typedef struct OfxDrawContext *OfxDrawContextHandle;
typedef struct OfxMutex *OfxMutexHandle;
typedef double OfxTime;

typedef struct OfxRangeI {
  int min, max;
} OfxRangeI;
typedef struct OfxRangeD {
  double min, max;
} OfxRangeD;
typedef struct OfxPointI {
  int x, y;
} OfxPointI;
typedef struct OfxPointD {
  double x, y;
} OfxPointD;
typedef struct OfxRectI {
  int x1, y1, x2, y2;
} OfxRectI;
typedef struct OfxRectD {
  double x1, y1, x2, y2;
} OfxRectD;
typedef struct OfxRGBAColourF {
  float r, g, b, a;
} OfxRGBAColourF;

typedef struct OfxHost {
  OfxPropertySetHandle host;
  const void *(*fetchSuite)(OfxPropertySetHandle host, const char *name, int version);
} OfxHost;

typedef OfxStatus(OfxPluginEntryPoint)(const char *action, const void *handle, OfxPropertySetHandle in,
                                       OfxPropertySetHandle out);

typedef struct OfxPlugin {
  const char *pluginApi;
  int apiVersion;
  const char *pluginIdentifier;
  unsigned int pluginVersionMajor;
  unsigned int pluginVersionMinor;
  void (*setHost)(OfxHost *host);
  OfxPluginEntryPoint *mainEntry;
} OfxPlugin;

typedef struct OfxPropertySuiteV1 {
  OfxStatus (*propSetPointer)(OfxPropertySetHandle, const char *, int, void *);
  OfxStatus (*propSetString)(OfxPropertySetHandle, const char *, int, const char *);
  OfxStatus (*propSetDouble)(OfxPropertySetHandle, const char *, int, double);
  OfxStatus (*propSetInt)(OfxPropertySetHandle, const char *, int, int);
  OfxStatus (*propSetPointerN)(OfxPropertySetHandle, const char *, int, void *const *);
  OfxStatus (*propSetStringN)(OfxPropertySetHandle, const char *, int, const char *const *);
  OfxStatus (*propSetDoubleN)(OfxPropertySetHandle, const char *, int, const double *);
  OfxStatus (*propSetIntN)(OfxPropertySetHandle, const char *, int, const int *);
  OfxStatus (*propGetPointer)(OfxPropertySetHandle, const char *, int, void **);
  OfxStatus (*propGetString)(OfxPropertySetHandle, const char *, int, char **);
  OfxStatus (*propGetDouble)(OfxPropertySetHandle, const char *, int, double *);
  OfxStatus (*propGetInt)(OfxPropertySetHandle, const char *, int, int *);
  OfxStatus (*propGetPointerN)(OfxPropertySetHandle, const char *, int, void **);
  OfxStatus (*propGetStringN)(OfxPropertySetHandle, const char *, int, char **);
  OfxStatus (*propGetDoubleN)(OfxPropertySetHandle, const char *, int, double *);
  OfxStatus (*propGetIntN)(OfxPropertySetHandle, const char *, int, int *);
  OfxStatus (*propReset)(OfxPropertySetHandle, const char *);
  OfxStatus (*propGetDimension)(OfxPropertySetHandle, const char *, int *);
} OfxPropertySuiteV1;

typedef struct OfxParameterSuiteV1 {
  OfxStatus (*paramDefine)(OfxParamSetHandle, const char *type, const char *name, OfxPropertySetHandle *);
  OfxStatus (*paramGetHandle)(OfxParamSetHandle, const char *name, OfxParamHandle *, OfxPropertySetHandle *);
  OfxStatus (*paramSetGetPropertySet)(OfxParamSetHandle, OfxPropertySetHandle *);
  OfxStatus (*paramGetPropertySet)(OfxParamHandle, OfxPropertySetHandle *);
  OfxStatus (*paramGetValue)(OfxParamHandle, ...);
  OfxStatus (*paramGetValueAtTime)(OfxParamHandle, OfxTime, ...);
  OfxStatus (*paramGetDerivative)(OfxParamHandle, OfxTime, ...);
  OfxStatus (*paramGetIntegral)(OfxParamHandle, OfxTime, OfxTime, ...);
  OfxStatus (*paramSetValue)(OfxParamHandle, ...);
  OfxStatus (*paramSetValueAtTime)(OfxParamHandle, OfxTime, ...);
  OfxStatus (*paramGetNumKeys)(OfxParamHandle, unsigned int *);
  OfxStatus (*paramGetKeyTime)(OfxParamHandle, unsigned int, OfxTime *);
  OfxStatus (*paramGetKeyIndex)(OfxParamHandle, OfxTime, int, int *);
  OfxStatus (*paramDeleteKey)(OfxParamHandle, OfxTime);
  OfxStatus (*paramDeleteAllKeys)(OfxParamHandle);
  OfxStatus (*paramCopy)(OfxParamHandle to, OfxParamHandle from, OfxTime, const OfxRangeD *);
  OfxStatus (*paramEditBegin)(OfxParamSetHandle, const char *);
  OfxStatus (*paramEditEnd)(OfxParamSetHandle);
} OfxParameterSuiteV1;

typedef struct OfxImageEffectSuiteV1 {
  OfxStatus (*getPropertySet)(OfxImageEffectHandle, OfxPropertySetHandle *);
  OfxStatus (*getParamSet)(OfxImageEffectHandle, OfxParamSetHandle *);
  OfxStatus (*clipDefine)(OfxImageEffectHandle, const char *, OfxPropertySetHandle *);
  OfxStatus (*clipGetHandle)(OfxImageEffectHandle, const char *, OfxImageClipHandle *, OfxPropertySetHandle *);
  OfxStatus (*clipGetPropertySet)(OfxImageClipHandle, OfxPropertySetHandle *);
  OfxStatus (*clipGetImage)(OfxImageClipHandle, OfxTime, const OfxRectD *, OfxPropertySetHandle *);
  OfxStatus (*clipReleaseImage)(OfxPropertySetHandle);
  OfxStatus (*clipGetRegionOfDefinition)(OfxImageClipHandle, OfxTime, OfxRectD *);
  int (*abort)(OfxImageEffectHandle);
  OfxStatus (*imageMemoryAlloc)(OfxImageEffectHandle, size_t, OfxImageMemoryHandle *);
  OfxStatus (*imageMemoryFree)(OfxImageMemoryHandle);
  OfxStatus (*imageMemoryLock)(OfxImageMemoryHandle, void **);
  OfxStatus (*imageMemoryUnlock)(OfxImageMemoryHandle);
} OfxImageEffectSuiteV1;

typedef struct OfxMessageSuiteV1 {
  OfxStatus (*message)(void *handle, const char *type, const char *id, const char *format, ...);
} OfxMessageSuiteV1;

typedef struct OfxMessageSuiteV2 {
  OfxStatus (*message)(void *handle, const char *type, const char *id, const char *format, ...);
  OfxStatus (*setPersistentMessage)(void *handle, const char *type, const char *id, const char *format, ...);
  OfxStatus (*clearPersistentMessage)(void *handle);
} OfxMessageSuiteV2;

typedef struct OfxProgressSuiteV1 {
  OfxStatus (*progressStart)(void *effect, const char *label);
  OfxStatus (*progressUpdate)(void *effect, double progress);
  OfxStatus (*progressEnd)(void *effect);
} OfxProgressSuiteV1;

typedef struct OfxProgressSuiteV2 {
  OfxStatus (*progressStart)(void *effect, const char *message, const char *id);
  OfxStatus (*progressUpdate)(void *effect, double progress);
  OfxStatus (*progressEnd)(void *effect);
} OfxProgressSuiteV2;

typedef struct OfxTimeLineSuiteV1 {
  OfxStatus (*getTime)(void *effect, double *time);
  OfxStatus (*gotoTime)(void *effect, double time);
  OfxStatus (*getTimeBounds)(void *effect, double *first, double *last);
} OfxTimeLineSuiteV1;

typedef struct OfxInteractSuiteV1 {
  OfxStatus (*interactSwapBuffers)(OfxInteractHandle);
  OfxStatus (*interactRedraw)(OfxInteractHandle);
  OfxStatus (*interactGetPropertySet)(OfxInteractHandle, OfxPropertySetHandle *);
} OfxInteractSuiteV1;

typedef enum OfxStandardColour { kOfxStandardColourOverlayBackground } OfxStandardColour;
typedef enum OfxDrawLineStipplePattern { kOfxDrawLineStipplePatternSolid } OfxDrawLineStipplePattern;
typedef enum OfxDrawPrimitive {
  kOfxDrawPrimitiveLines,
  kOfxDrawPrimitiveLineStrip,
  kOfxDrawPrimitiveLineLoop
} OfxDrawPrimitive;

typedef struct OfxDrawSuiteV1 {
  OfxStatus (*getColour)(OfxDrawContextHandle, OfxStandardColour, OfxRGBAColourF *);
  OfxStatus (*setColour)(OfxDrawContextHandle, const OfxRGBAColourF *);
  OfxStatus (*setLineWidth)(OfxDrawContextHandle, float);
  OfxStatus (*setLineStipple)(OfxDrawContextHandle, OfxDrawLineStipplePattern);
  OfxStatus (*draw)(OfxDrawContextHandle, OfxDrawPrimitive, const OfxPointD *, int);
  OfxStatus (*drawText)(OfxDrawContextHandle, const char *, const OfxPointD *, int);
} OfxDrawSuiteV1;

#endif
