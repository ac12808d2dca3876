/** The picture on the screen: which bitmaps it needs, when they are drawn, and where it lies. */
import { effect, signal } from "@preact/signals";
import { around, placed, widthNow } from "./actions";
import { coverage, pictures, plate, telling, type Coverage } from "./frames";
import { layered } from "./layers";
import { Renderer, type Placement } from "./gl/renderer";
import { stepped } from "./numbers";
import { report } from "./session";
import {
  backdrop, displayed, frame, lens, objects, onion, shot, shown, slot, slots, speed, together, unseen, view, wipe, zoom,
} from "./state";
import type { ObjectState } from "./words";

/** Milliseconds that a plate waits for its mattes before it is shown without. */
const PATIENCE = 150;
const NONE: Coverage = { picture: null, alpha: { kind: "none", stale: false } };

/** Device pixels of the canvas. */
export const canvasSize = signal<readonly [number, number]>([1, 1]);
export const placement = signal<Placement>({ x: 0, y: 0, scale: 1 });

/** Where the picture lies: fitted, or zoomed. */
function lie(): Placement {
  const clip = shot.value?.clip;
  const [w, h] = canvasSize.value;
  if (!clip) return { x: 0, y: 0, scale: 1 };
  const fit = Math.min(w / clip.width, h / clip.height);
  const { x, y, scale } = zoom.value ?? { x: clip.width / 2, y: clip.height / 2, scale: fit };
  placed.value = { x, y, scale };
  // Whole pixels, so that at 100 % every pixel of the plate is one of the screen.
  return { x: Math.round(w / 2 - x * scale), y: Math.round(h / 2 - y * scale), scale };
}

export class Screen {
  #renderer: Renderer;
  #ticket = 0;
  #drawing = false;
  readonly #ends: (() => void)[];

  /** @throws NoWebGl */
  constructor(readonly canvas: HTMLCanvasElement) {
    this.#renderer = new Renderer(canvas);
    canvas.addEventListener("webglcontextlost", (e) => e.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.#renderer = new Renderer(canvas);
      void this.#load();
    });
    this.#ends = [
      effect(() => void (placement.value = lie())),
      effect(() => {
        void [shot.value, frame.value, placement.value, onion.value, slot.value, speed.value, layered.value?.pictures];
        if (layered.value && layered.value.frame !== frame.value) layered.value = null;
        void this.#load();
      }),
      effect(() => {
        void [view.value, wipe.value, together.value, lens.value, backdrop.value, slot.value, onion.value, placement.value, layered.value];
        this.draw();
      }),
    ];
  }

  close(): void {
    this.#ticket = -1;
    this.#ends.forEach((end) => end());
  }

  hover(picture: ImageBitmap | null): void {
    this.#renderer.setHover(picture);
    this.draw();
  }

  /** Draw soon, once. */
  draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#paint();
    });
  }

  #paint(): void {
    const clip = shot.value?.clip;
    const [w, h] = canvasSize.value;
    if (!clip || displayed.value === null) return;
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    const split = layered.value;
    this.#renderer.draw({
      view: split ? "layers" : view.value, picked: split?.picked ?? new Set(), place: placement.value, active: slot.value, together: together.value, onion: onion.value,
      wipe: wipe.value, backdrop: rgb(backdrop.value), radius: (lens.value / 100) * clip.width,
    });
    const { x, y, scale } = placement.value;
    Object.assign(this.canvas.dataset, { frame: String(displayed.value), view: split ? "layers" : view.value, place: `${x} ${y} ${scale}` });
  }

  /** Show the current frame; a reply for a frame that was left meanwhile is dropped. */
  async #load(): Promise<void> {
    if (this.#ticket < 0) return;
    const ticket = ++this.#ticket;
    const late = () => ticket !== this.#ticket;
    const number = frame.peek(), clip = shot.peek()?.clip;
    if (!clip) return;
    const wanted = around();
    pictures.only(new Set(wanted));
    const width = widthNow();
    const asked = objects.peek().slice(0, slots.peek()).map((o) => coverage(o, number, width));
    const alphas = Promise.all(asked);
    alphas.catch(() => undefined);
    try {
      const picture = await plate(number, width);
      const quick = await Promise.race([alphas, new Promise<null>((done) => setTimeout(done, PATIENCE, null))]);
      if (late() || !picture) return;
      unseen.value = "";
      if (quick === null && displayed.value !== number) this.#show(picture, number, asked.map(() => NONE));
      const found = quick ?? (await alphas);
      if (late()) return;
      this.#show(picture, number, found);
      if (!onion.peek()) this.#renderer.setAround(null, null);
      else await this.#skins(objects.peek()[slot.peek()], number, width, late);
      for (const next of wanted.slice(1)) {
        if (late()) return;
        await plate(next, width);
      }
    } catch (problem) {
      if (late()) return;
      if (telling(problem)) unseen.value = telling(problem);
      else report(problem);
    }
  }

  #show(picture: ImageBitmap, number: number, found: readonly Coverage[]): void {
    const clip = shot.peek()?.clip;
    if (!clip) return;
    this.#renderer.setPlate(picture, [clip.width, clip.height]);
    const split = layered.peek();
    this.#renderer.setMattes(split?.frame === number ? split.pictures : found.map((c) => c.picture));
    shown.value = found.map((c) => c.alpha);
    displayed.value = number;
    this.draw();
  }

  async #skins(object: ObjectState | undefined, number: number, width: number, late: () => boolean): Promise<void> {
    const clip = shot.peek()?.clip;
    if (!clip || !object) return;
    const [before, after] = await Promise.all([-1, 1].map(async (by) => {
      const next = stepped(clip, number, by);
      return next === number ? null : (await coverage(object, next, width)).picture;
    }));
    if (late()) return;
    this.#renderer.setAround(before ?? null, after ?? null);
    this.draw();
  }
}

function rgb(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255].map((v) => v / 255) as [number, number, number];
}
