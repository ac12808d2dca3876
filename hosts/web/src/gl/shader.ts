/** One fragment shader makes every view of a frame, so that switching views needs no request. */

export const VIEWS = ["plate", "overlay", "alpha", "checker", "colour", "blur"] as const;
export type View = (typeof VIEWS)[number];

/** Objects whose mattes are on the picture at once. */
export const MOST_OBJECTS = 10;
/** Samples of the lens in the blur preview. */
const TAPS = 64;

export const VERTEX = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2DArray;
uniform sampler2D plate;
uniform sampler2DArray mattes;   // one layer an object
uniform sampler2DArray around;   // the active object one frame before (layer 0) and after (1)
uniform sampler2D hover;         // what the prompt under the pointer would select
uniform bool hovering;
uniform vec2 canvas;             // its size, device pixels
uniform vec2 size;               // of the picture, in the plate's pixels
uniform vec3 place;              // canvas = picture * place.z + place.xy, origin top left
uniform int view;
uniform int picked;              // layers that are chosen, a bit each
uniform int count;               // mattes that are there
uniform int chosen;
uniform bool together;           // all objects, or the active one alone
uniform bool onion;
uniform float wipe;              // share of the canvas left of which the plate is shown; < 0 = none
uniform vec3 tints[${MOST_OBJECTS}];
uniform vec3 backdrop;           // sRGB code
uniform float radius;            // of the lens, plate pixels
out vec4 result;

vec3 light(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
vec3 code(vec3 l) { return mix(l * 12.92, 1.055 * pow(max(l, 0.0), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, l)); }

vec3 pixel(vec2 at) {
  if (place.z >= 2.0) return texelFetch(plate, ivec2(at / size * vec2(textureSize(plate, 0))), 0).rgb;
  return texture(plate, at / size).rgb;
}

float matte(int object, vec2 at) {
  if (place.z >= 2.0) {
    vec2 texels = vec2(textureSize(mattes, 0).xy);
    return texelFetch(mattes, ivec3(ivec2(at / size * texels), object), 0).r;
  }
  return texture(mattes, vec3(at / size, float(object))).r;
}

float coverage(vec2 at) {
  if (!together) return chosen < count ? matte(chosen, at) : 0.0;
  float rest = 1.0;
  for (int i = 0; i < count; i++) rest *= 1.0 - matte(i, at);
  return 1.0 - rest;
}

vec3 overlay(vec3 c, vec2 at) {
  for (int i = 0; i < count; i++) {
    if (!together && i != chosen) continue;
    float a = 0.5 * matte(i, at);
    c = c * (1.0 - a) + tints[i] * a;
  }
  return c;
}

// False colours where no layer is chosen, the plate where one is.
vec3 layers(vec3 c, vec2 at, float chosen) {
  vec3 sum = vec3(0.0);
  for (int i = 0; i < count; i++) sum += matte(i, at) * tints[i];
  float grey = dot(c, vec3(0.299, 0.587, 0.114));
  return mix(mix(vec3(grey), sum, 0.65) * 0.75, c, chosen);
}

vec3 over(vec3 front, vec3 back, float a) { return code(light(front) * a + back * (1.0 - a)); }

vec3 blurred(vec2 at) {
  vec3 sum = vec3(0.0);
  float weight = 1e-6;
  float texel = radius * float(textureSize(plate, 0).x) / size.x;
  float level = log2(max(1.0, texel / 6.0));
  for (int i = 0; i < ${TAPS}; i++) {
    float r = sqrt((float(i) + 0.5) / ${TAPS}.0) * radius, t = float(i) * 2.399963;
    vec2 p = clamp(at + r * vec2(cos(t), sin(t)), vec2(0.5), size - 0.5);
    float w = 1.0 - coverage(p);
    sum += w * light(textureLod(plate, p / size, level).rgb);
    weight += w;
  }
  return sum / weight;
}

// Where a matte crosses one half: 1 on the line, about one device pixel wide on each side.
float outline(float matte) {
  float a = matte - 0.5;
  return 1.0 - smoothstep(0.7, 1.6, abs(a) / max(1e-4, fwidth(a)));
}

void main() {
  vec2 screen = vec2(gl_FragCoord.x, canvas.y - gl_FragCoord.y);
  vec2 at = (screen - place.xy) / place.z;
  // Derivatives need all pixels: before anything returns.
  float before = 0.0, after = 0.0, hovered = 0.0, rim = 0.0, taken = 0.0;
  if (view == 6) {
    for (int i = 0; i < count; i++) if ((picked & (1 << i)) != 0) taken += texture(mattes, vec3(at / size, float(i))).r;
    rim = picked == 0 ? 0.0 : outline(taken);
  }
  if (onion) {
    before = outline(texture(around, vec3(at / size, 0.0)).r);
    after = outline(texture(around, vec3(at / size, 1.0)).r);
  }
  if (hovering && view != 6) {
    hovered = texture(hover, at / size).r;
    rim = outline(hovered);
  }
  if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, size))) {
    result = vec4(vec3(0.055), 1.0);
    return;
  }
  vec3 c = pixel(at);
  bool untouched = wipe >= 0.0 && screen.x < wipe * canvas.x;
  if (!untouched && view > 0) {
    float a = coverage(at);
    if (view == 1) c = overlay(c, at);
    else if (view == 2) c = vec3(a);
    else if (view == 3) {
      vec2 square = floor(screen / 16.0);
      c = over(c, vec3(mod(square.x + square.y, 2.0) < 0.5 ? 0.3 : 0.12), a);
    }
    else if (view == 4) c = over(c, light(backdrop), a);
    else if (view == 5) c = over(c, blurred(at), a);
    else c = mix(layers(c, at, clamp(taken, 0.0, 1.0)), vec3(1.0), rim);
  }
  if (onion) {
    c = mix(c, vec3(0.0, 0.447, 0.698), before);
    c = mix(c, vec3(0.835, 0.369, 0.0), after);
  }
  if (hovering && view != 6) c = mix(mix(c, tints[chosen], 0.45 * hovered), vec3(1.0), rim);
  if (wipe >= 0.0 && abs(screen.x - wipe * canvas.x) < 1.0) c = vec3(1.0);
  result = vec4(c, 1.0);
}`;
