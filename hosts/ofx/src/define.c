/* What the host shows: one line per parameter. Labels and choices stay as they are described here, since hosts save and
 * compare them. No comma stands in a choice: Kdenlive parts them there. */
#include "params.h"

const char *const handle_names[HANDLES] = {"point1", "point2", "point3", "point4", "point5", "point6"};
const char *const sign_names[HANDLES] = {"sign1", "sign2", "sign3", "sign4", "sign5", "sign6"};
const char *const tracker_names[] = {"auto", "flow", "sam2"};
const char *const refiner_names[] = {"auto", "closed_form", "bayesian", "hiera", "mam", "none"};
const char *const colour_names[] = {"auto", "display", "linear"};
enum { LOWEST = -10000000 };
static const char *const signs[] = {"Off", "+ keep", "- leave out"};
static const char *const outputs[] = {"Matte in alpha", "Matte as RGB", "Cut-out premultiplied",
                                      "Background blur preview", "Source"};
static const char *const handle_labels[HANDLES] = {"Point 1", "Point 2", "Point 3", "Point 4", "Point 5", "Point 6"};
static const char *const sign_labels[HANDLES] = {"Point 1 is", "Point 2 is", "Point 3 is",
                                                 "Point 4 is", "Point 5 is", "Point 6 is"};

static OfxPropertySetHandle define(OfxParamSetHandle set, const char *type, const char *name, const char *label,
                                   const char *group, const char *hint) {
  OfxPropertySetHandle props = NULL;
  if (host()->params->paramDefine(set, type, name, &props) != kOfxStatOK) return NULL;
  prop_set_string(props, kOfxPropLabel, 0, label);
  prop_set_string(props, kOfxParamPropScriptName, 0, name);
  if (hint) prop_set_string(props, kOfxParamPropHint, 0, hint);
  if (group) prop_set_string(props, kOfxParamPropParent, 0, group);
  return props;
}

static void still(OfxPropertySetHandle props, int evaluate) {
  prop_set_int(props, kOfxParamPropAnimates, 0, 0);
  prop_set_int(props, kOfxParamPropEvaluateOnChange, 0, evaluate);
}

static void group(OfxParamSetHandle set, const char *name, const char *label, int open) {
  prop_set_int(define(set, kOfxParamTypeGroup, name, label, NULL, NULL), kOfxParamPropGroupOpen, 0, open);
}

static void button(OfxParamSetHandle set, const char *name, const char *label, const char *parent, const char *hint) {
  define(set, kOfxParamTypePushButton, name, label, parent, hint);
}

static void number(OfxParamSetHandle set, const char *name, const char *label, const char *parent, const char *hint,
                   double low, double high, double first) {
  OfxPropertySetHandle p = define(set, kOfxParamTypeDouble, name, label, parent, hint);
  prop_set_string(p, kOfxParamPropDoubleType, 0, kOfxParamDoubleTypePlain);
  prop_set_double(p, kOfxParamPropDefault, 0, first);
  prop_set_double(p, kOfxParamPropMin, 0, low);
  prop_set_double(p, kOfxParamPropMax, 0, high);
  prop_set_double(p, kOfxParamPropDisplayMin, 0, low < 0 ? -20 : 0);
  prop_set_double(p, kOfxParamPropDisplayMax, 0, high > 100 ? 100 : 20);
}

static void whole(OfxParamSetHandle set, const char *name, const char *label, const char *parent, const char *hint,
                  int low, int evaluate) {
  OfxPropertySetHandle p = define(set, kOfxParamTypeInteger, name, label, parent, hint);
  prop_set_int(p, kOfxParamPropDefault, 0, 0);
  prop_set_int(p, kOfxParamPropMin, 0, low);
  prop_set_int(p, kOfxParamPropMax, 0, 10000000);
  prop_set_int(p, kOfxParamPropDisplayMin, 0, low < 0 ? -100000 : 0);
  prop_set_int(p, kOfxParamPropDisplayMax, 0, 100000);
  still(p, evaluate);
}

static void choices(OfxParamSetHandle set, const char *name, const char *label, const char *parent, const char *hint,
                    const char *const options[], int count, int evaluate) {
  OfxPropertySetHandle p = define(set, kOfxParamTypeChoice, name, label, parent, hint);
  for (int i = 0; i < count; i++) prop_set_string(p, kOfxParamPropChoiceOption, i, options[i]);
  prop_set_int(p, kOfxParamPropDefault, 0, 0);
  still(p, evaluate);
}

static OfxPropertySetHandle words(OfxParamSetHandle set, const char *name, const char *label, const char *parent,
                                  const char *hint, const char *mode, int evaluate) {
  OfxPropertySetHandle p = define(set, kOfxParamTypeString, name, label, parent, hint);
  prop_set_string(p, kOfxParamPropStringMode, 0, mode);
  prop_set_string(p, kOfxParamPropDefault, 0, "");
  still(p, evaluate);
  return p;
}

static void define_prompts(OfxParamSetHandle set) {
  group(set, "groupPrompts", "Subject", 1);
  for (int i = 0; i < HANDLES; i++) {
    OfxPropertySetHandle p = define(set, kOfxParamTypeDouble2D, handle_names[i], handle_labels[i], "groupPrompts",
                                    "Drag it onto the subject, or onto what is not the subject.");
    prop_set_string(p, kOfxParamPropDoubleType, 0, kOfxParamDoubleTypeXYAbsolute);
    prop_set_string(p, kOfxParamPropDefaultCoordinateSystem, 0, kOfxParamCoordinatesNormalised);
    prop_set_double(p, kOfxParamPropDefault, 0, (i + 1.0) / (HANDLES + 1)); /* in a row: each can be taken hold of */
    prop_set_double(p, kOfxParamPropDefault, 1, 0.5);
    prop_set_int(p, kOfxParamPropUseHostOverlayHandle, 0, 1);
    still(p, 0);
    choices(set, sign_names[i], sign_labels[i], "groupPrompts",
            "What the point says: part of the subject, not part of it, or nothing.", signs, 3, 0);
  }
  button(set, P_SET, "Set at frame", "groupPrompts",
         "Say this about the current frame. With all points off: say nothing about it.");
  button(set, P_CLEAR, "Clear", "groupPrompts", "Forget what was said about all frames.");
  words(set, P_PROMPTS, "Prompts", "groupPrompts",
        "Everything said so far, as JSON; it can be copied to another effect.", kOfxParamStringIsSingleLine, 0);
}

static void define_work(OfxParamSetHandle set) {
  group(set, "groupTrack", "Track", 1);
  button(set, P_FORWARD, "Track forward", "groupTrack", "From the first frame that was set to the end.");
  button(set, P_BACKWARD, "Track backward", "groupTrack", "From the last frame that was set to the start.");
  button(set, P_BOTH, "Track both ways", "groupTrack", "The whole clip, or In to Out.");
  button(set, P_MATTE, "Matte", "groupTrack", "Make soft mattes of the tracked frames.");
  button(set, P_STOP, "Stop", "groupTrack", "Stop tracking; what is finished stays.");
  words(set, P_STATUS, "Status", "groupTrack", "What was done last.", kOfxParamStringIsLabel, 0);
  whole(set, P_IN, "In", "groupTrack", "First frame to work on; In and Out both 0: the whole clip.", LOWEST, 0);
  whole(set, P_OUT, "Out", "groupTrack", "Last frame to work on.", LOWEST, 0);
  choices(set, P_TRACKER, "Tracker", "groupTrack", "Auto takes the best one that is installed.", tracker_names, 3, 0);
  choices(set, P_REFINER, "Refiner", "groupTrack", "Auto takes the best one that is installed.", refiner_names, 6, 0);
}

static void define_output(OfxParamSetHandle set) {
  group(set, "groupOutput", "Result", 1);
  choices(set, P_OUTPUT, "Output", "groupOutput",
          "What the picture shows; the source passes through where there is no matte.", outputs, OUTPUT_COUNT, 1);
  number(set, P_GROW, "Shrink / grow", "groupOutput", "Pixels at full size; negative shrinks.", -100, 100, 0);
  number(set, P_FEATHER, "Feather", "groupOutput", "Softness of the edge in pixels at full size.", 0, 100, 0);
  number(set, P_BLUR, "Blur amount", "groupOutput", "Of the background blur preview, in pixels at full size.", 0, 500,
         20);
}

static void define_source(OfxParamSetHandle set) {
  group(set, "groupSource", "Source", 0);
  OfxPropertySetHandle p = words(set, P_MEDIA, "Media path", "groupSource",
                                 "The clip's file, where the host gives an effect no other frame than the current one.",
                                 kOfxParamStringIsFilePath, 1);
  prop_set_int(p, kOfxParamPropStringFilePathExists, 0, 0); /* name.####.exr is none */
  whole(set, P_NUMBER, "Clip number", "groupSource",
        "In place of Media path, where the host shows no text: the number given by 'trackmatte ofx shot CLIP --number "
        "N'.",
        0, 1);
  whole(set, P_OFFSET, "Frame offset", "groupSource", "Added to the host's time to get the source's frame number.",
        LOWEST, 1);
  choices(set, P_COLOUR, "Colours are", "groupSource",
          "What the host's values mean. Auto: display values in 8 and 16 bits, linear light in half and float.",
          colour_names, 3, 0);
  whole(set, P_REFRESH, "Refresh", "groupSource",
        "Changes when there are new mattes, so that the host renders again; change it by hand if a cache holds an old "
        "picture.",
        LOWEST, 1);
  words(set, P_SESSION, "Session", "groupSource", "Names this shot in the engine's cache.", kOfxParamStringIsSingleLine,
        0);
  button(set, P_NEW_SESSION, "Separate from copies", "groupSource", "Make a shot of its own from a copied effect.");
}

void params_define(OfxParamSetHandle set) {
  define_prompts(set);
  define_work(set);
  define_output(set);
  define_source(set);
}
