/** Soft layers of one frame: shown in false colours, chosen by clicks, taken as a mask or written. */
import { signal } from "@preact/signals";
import { pickLayers } from "./edits";
import { tier } from "./frames";
import { MOST_OBJECTS } from "./gl/shader";
import type { MakeLayers } from "./protocol";
import { follow, report } from "./session";
import { active, engine, frame, shot, speed, tell } from "./state";

export const FEWEST = 2, MOST = MOST_OBJECTS;
const WIDTH = 960;

export type Method = NonNullable<MakeLayers["method"]>;

export const METHODS: Record<Method, readonly [title: string, what: string]> = {
  semantic: ["Semantic", "Soft regions by colours, texture and place."],
  spectral: ["Spectral matting", "Soft parts between which the picture has edges."],
  gmm: ["Gaussian colours", "A few colours, wherever they are."],
  mrf: ["Colour regions", "A few colours whose neighbours agree: flat artwork."],
};

export interface Layers {
  readonly frame: number;
  readonly method: Method;
  readonly pictures: readonly ImageBitmap[];
  /** Of each layer, one byte a pixel, as wide as the pictures. */
  readonly values: readonly Uint8ClampedArray[];
  readonly picked: ReadonlySet<number>;
}

export const layerCount = signal(5);
export const layerMethod = signal<Method>("semantic");
export const layered = signal<Layers | null>(null);
/** The frame that is being split. */
export const splitting = signal<number | null>(null);

/** Split this frame, unless it is split already, and show its layers. */
export async function showLayers(): Promise<void> {
  const now = shot.value, number = frame.value;
  if (!now || splitting.value !== null) return;
  const method = layerMethod.value;
  speed.value = 0;
  splitting.value = number;
  try {
    const { job } = await engine.ask("layers", { shot: now.shot }, { frame: number, count: layerCount.value, method });
    await follow(job);
    const { status } = await engine.ask("job_state", { job });
    if (status === "done" && frame.value === number) layered.value = await fetched(now.shot, number, method);
  } catch (problem) {
    report(problem);
  } finally {
    splitting.value = null;
  }
}

async function fetched(name: string, number: number, method: Method): Promise<Layers> {
  const pictures: ImageBitmap[] = [], values: Uint8ClampedArray[] = [];
  for (let layer = 1; layer <= layerCount.value; layer++) {
    const blob = await engine.ask("layer_image", { shot: name, number }, null, { layer, width: tier(WIDTH) });
    const picture = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
    pictures.push(picture);
    values.push(bytes(picture));
  }
  return { frame: number, method, pictures, values, picked: new Set() };
}

function bytes(picture: ImageBitmap): Uint8ClampedArray {
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (!context) throw new Error("This browser draws no pictures in memory.");
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
}

/** Choose the layer that covers most of a place, or leave it out again. */
export function pickAt(x: number, y: number): void {
  const now = layered.value, size = now?.pictures[0];
  if (!now || !size) return;
  const at = Math.min(size.height - 1, Math.floor(y * size.height)) * size.width + Math.min(size.width - 1, Math.floor(x * size.width));
  const here = now.values.map((v) => v[at] ?? 0);
  toggle(here.indexOf(Math.max(...here)));
}

export function toggle(layer: number): void {
  const now = layered.value;
  if (!now) return;
  const picked = new Set(now.picked);
  if (!picked.delete(layer)) picked.add(layer);
  layered.value = { ...now, picked };
}

/** Part of the picture that a layer covers. */
export function share(layer: number): number {
  const values = layered.value?.values[layer] ?? [];
  let sum = 0;
  for (const v of values) sum += v;
  return values.length ? sum / 255 / values.length : 0;
}

export function leaveLayers(): void {
  layered.value = null;
}

/** Take what is chosen as the mask of the active object on this frame. */
export async function useLayers(): Promise<void> {
  const now = layered.value;
  if (!now) return;
  if (!now.picked.size) return tell(`Click on the layers that are ${active.value} first.`);
  await pickLayers([...now.picked].map((layer) => layer + 1));
  leaveLayers();
}

/** Write the layers as one EXR beside the shot file. */
export async function writeLayers(): Promise<void> {
  const now = shot.value, split = layered.value;
  if (!now || !split) return;
  try {
    const folder = now.path.replace(/\.shot\.json$/, "_layers");
    const asked = { frame: split.frame, count: split.pictures.length, folder, overwrite: true, method: split.method };
    await follow((await engine.ask("layers", { shot: now.shot }, asked)).job);
  } catch (problem) {
    report(problem);
  }
}
