/** Pictures of the clip as bitmaps: bounded in bytes, each asked for once, dropped when nobody wants them any more. */
import { aborted, Lost, Refused } from "./api";
import { clamp } from "./numbers";
import { engine, saidOf, shot, VIEWER, within, type Alpha } from "./state";
import type { ObjectState, Prompt } from "./words";

const MOST_BYTES = 384 << 20;
/** Widths that pictures are asked for in, so that zooming a little fetches nothing. */
const TIERS = [480, 960, 1920, 3840];
const DECODE: ImageBitmapOptions = { premultiplyAlpha: "none", colorSpaceConversion: "none" };

interface Entry {
  readonly picture: ImageBitmap | null;
  readonly epoch: number;
  readonly bytes: number;
}

/** The width to ask for so that a picture shown ``pixels`` wide loses nothing. */
export function tier(pixels: number): number {
  const own = shot.value?.clip.width ?? 0;
  return TIERS.find((t) => t >= pixels && t < own) ?? clamp(own, 16, 8192);
}

class Pictures {
  readonly #held = new Map<string, Entry>();
  readonly #asked = new Map<string, { promise: Promise<Entry>; stop: AbortController; frame: number }>();
  #bytes = 0;

  /** A picture that is here, if it is not older than ``epoch``. */
  have(key: string, epoch = 0): ImageBitmap | null | undefined {
    const found = this.#held.get(key);
    if (!found || found.epoch < epoch) return undefined;
    this.#held.delete(key);
    this.#held.set(key, found);
    return found.picture;
  }

  /** Fetch a picture unless it is here; null = the engine has none. */
  async want(key: string, frame: number, epoch: number, fetch: (signal: AbortSignal) => Promise<Blob | null>): Promise<ImageBitmap | null> {
    const here = this.have(key, epoch);
    if (here !== undefined) return here;
    const id = `${key}@${epoch}`;
    const asked = this.#asked.get(id);
    if (asked) return (await asked.promise).picture;
    const stop = new AbortController();
    const promise = this.#get(key, epoch, fetch(stop.signal));
    const asking = { promise, stop, frame };
    this.#asked.set(id, asking);
    try {
      return (await promise).picture;
    } finally {
      if (this.#asked.get(id) === asking) this.#asked.delete(id);
    }
  }

  /** Stop asking for frames that nobody looks at any more; a late reply is never shown. */
  only(frames: ReadonlySet<number>): void {
    for (const [id, { stop, frame }] of this.#asked) {
      if (frames.has(frame)) continue;
      stop.abort();
      this.#asked.delete(id);
    }
  }

  async #get(key: string, epoch: number, asked: Promise<Blob | null>): Promise<Entry> {
    const blob = await asked;
    const picture = blob && (await createImageBitmap(blob, DECODE));
    const entry = { picture, epoch, bytes: picture ? picture.width * picture.height * 4 : 64 };
    const old = this.#held.get(key);
    if (old && old.epoch > epoch) return old;
    this.#bytes += entry.bytes - (old?.bytes ?? 0);
    this.#held.delete(key);
    this.#held.set(key, entry);
    // A bitmap that is dropped may still be on its way to the screen: the collector frees it, not close().
    for (const [name, { bytes }] of this.#held) {
      if (this.#bytes <= MOST_BYTES || name === key) break;
      this.#held.delete(name);
      this.#bytes -= bytes;
    }
    return entry;
  }
}

export const pictures = new Pictures();
const thumbs = new Pictures();

let everything = 1;
const changed = new Map<number, number>();

/** All masks and mattes may be others now. */
export function outdateAll(): void {
  everything++;
  changed.clear();
}

/** A job finished this frame. */
export function outdate(frame: number): void {
  changed.set(frame, (changed.get(frame) ?? 0) + 1);
}

function epoch(frame: number): number {
  return everything * 1e6 + (changed.get(frame) ?? 0);
}

export function plate(frame: number, width: number): Promise<ImageBitmap | null> {
  const name = shot.value?.shot ?? "";
  return pictures.want(`plate ${frame} ${width}`, frame, 0, (signal) =>
    engine.ask("frame", { shot: name, number: frame }, null, { width }, signal));
}

export function thumbnail(frame: number): Promise<ImageBitmap | null> {
  const name = shot.value?.shot ?? "";
  return thumbs.want(`${frame}`, frame, 0, () => engine.ask("frame", { shot: name, number: frame }, null, { width: 128 }));
}

/** What alpha of an object a frame shows: the newest there is, and whether it is up to date. */
export function alphaOf(object: ObjectState | undefined, frame: number): Alpha {
  if (!object) return { kind: "none", stale: false };
  if (within(object.matted, frame)) return { kind: "matte", stale: false };
  if (within(object.tracked, frame)) return { kind: "mask", stale: false };
  if (within(object.prompted, frame)) return { kind: "selection", stale: false };
  if (within(object.stale, frame)) return { kind: "matte", stale: true };
  return { kind: "none", stale: false };
}

export interface Coverage {
  readonly picture: ImageBitmap | null;
  readonly alpha: Alpha;
}

const NOTHING: Coverage = { picture: null, alpha: { kind: "none", stale: false } };

/** An object's alpha on a frame, at the width of the plate. */
export async function coverage(object: ObjectState, frame: number, width: number): Promise<Coverage> {
  const alpha = alphaOf(object, frame);
  if (alpha.kind === "none") return NOTHING;
  if (alpha.kind === "selection") return { picture: await selection(object.object, frame, width), alpha };
  if (alpha.kind === "matte") {
    const picture = await grey("matte_image", object.object, frame, width);
    if (picture) return { picture, alpha };
  }
  const picture = await grey("mask", object.object, frame, width);
  return picture ? { picture, alpha: { kind: "mask", stale: alpha.stale } } : NOTHING;
}

function grey(what: "mask" | "matte_image", object: string, frame: number, width: number): Promise<ImageBitmap | null> {
  const name = shot.value?.shot ?? "";
  return pictures.want(`${what} ${object} ${frame} ${width}`, frame, epoch(frame), (signal) =>
    engine.ask(what, { shot: name, number: frame }, null, { object, width }, signal).catch(missing));
}

/** What the prompts of a frame select, before anything is tracked. */
async function selection(object: string, frame: number, width: number): Promise<ImageBitmap | null> {
  const key = JSON.stringify(saidOf(object, frame));
  return pictures.want(`selection ${width} ${key}`, frame, 0, (signal) =>
    preview({ frame, object }, width, `${VIEWER} ${object}`, signal, true).catch(missing));
}

/** Ask what a prompt would select on top of what was said on its frame: quickly on a small picture, or exactly. */
export async function preview(prompt: Prompt, width: number, viewer: string, signal: AbortSignal, exact = false): Promise<Blob> {
  const found = await engine.ask("preview", { shot: shot.value?.shot ?? "" }, { prompt, width, viewer, exact }, {}, signal);
  return new Blob([Uint8Array.from(atob(found.mask), (c) => c.charCodeAt(0))], { type: "image/png" });
}

function missing(problem: unknown): null {
  if (problem instanceof Refused && ["not_found", "prompt"].includes(problem.code)) return null;
  if (problem instanceof Refused && problem.code === "superseded") throw new DOMException("", "AbortError");
  throw problem;
}

/** Whether a picture failed for a reason that people should read. */
export function telling(problem: unknown): string {
  if (aborted(problem) || problem instanceof Lost) return "";
  return problem instanceof Error ? problem.message : String(problem);
}
