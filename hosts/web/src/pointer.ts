/** What the pointer does on the picture: clicks, boxes, strokes, taking marks away, panning, zooming, the wipe. */
import { signal } from "@preact/signals";
import { placed } from "./actions";
import { add, drop, type Mark } from "./edits";
import { aborted, Refused } from "./api";
import { preview } from "./frames";
import { clamp, unit } from "./numbers";
import { report } from "./session";
import { active, brush, frame, mode, said, shot, tool, VIEWER, wipe, zoom } from "./state";
import { canvasSize, placement, type Screen } from "./view";
import type { Said } from "./words";

type At = readonly [x: number, y: number];
/** What is being drawn, in [0, 1] of the picture. */
export type Draft = { readonly kind: "box"; readonly from: At; readonly to: At } | { readonly kind: "stroke"; readonly points: readonly At[]; readonly label: 0 | 1 };
export const draft = signal<Draft | null>(null);
export const pointer = signal<At | null>(null);

/** CSS pixels that a click may slip; and, on a small screen, within which a mark is hit. */
const SLIP = 4, REACH = 12;
const HOVER_WIDTH = 480;

/** The picture's position of a pointer, in [0, 1] where it is on the picture. */
function at(event: MouseEvent, canvas: HTMLElement): At {
  const clip = shot.value?.clip;
  const box = canvas.getBoundingClientRect();
  const ratio = canvasSize.value[0] / Math.max(1, box.width);
  const { x, y, scale } = placement.value;
  const px = ((event.clientX - box.left) * ratio - x) / scale, py = ((event.clientY - box.top) * ratio - y) / scale;
  return [px / (clip?.width ?? 1), py / (clip?.height ?? 1)];
}

const inside = ([x, y]: At) => x >= 0 && x <= 1 && y >= 0 && y <= 1;
const clipped = ([x, y]: At): At => [clamp(x, 0, 1), clamp(y, 0, 1)];

/** CSS pixels between two positions of the picture. */
function apart([ax, ay]: At, [bx, by]: At): number {
  const clip = shot.value?.clip;
  const scale = placement.value.scale / devicePixelRatio;
  return Math.hypot((ax - bx) * (clip?.width ?? 1), (ay - by) * (clip?.height ?? 1)) * scale;
}

/** The mark nearest to a position. */
export function hit(from: Said | null, where: At): Mark | null {
  if (!from) return null;
  const found: [number, Mark][] = from.points.map(([x, y], index) => [apart([x, y], where), { kind: "point", index }]);
  from.scribbles.forEach((s, index) => found.push([Math.min(...s.points.map((p) => apart(p, where))), { kind: "stroke", index }]));
  if (from.box) {
    const [l, t, r, b] = from.box, [x, y] = where;
    const edges: At[] = [[l, clamp(y, t, b)], [r, clamp(y, t, b)], [clamp(x, l, r), t], [clamp(x, l, r), b]];
    found.push([Math.min(...edges.map((e) => apart(e, where))), { kind: "box" }]);
  }
  const [best] = found.sort((a, b) => a[0] - b[0]);
  return best && best[0] <= REACH * unit() ? best[1] : null;
}

export class Pointer {
  readonly #canvas: HTMLElement;
  readonly #screen: Screen;
  #move: ((event: PointerEvent) => void) | null = null;
  #up: ((event: PointerEvent) => void) | null = null;
  /** Whether Shift and the pointer ask for a preview, and whether one is on its way. */
  #over = false;
  #asking = false;
  #next: (() => void) | null = null;

  constructor(canvas: HTMLElement, screen: Screen) {
    this.#canvas = canvas;
    this.#screen = screen;
    canvas.addEventListener("pointerdown", (e) => this.#down(e));
    canvas.addEventListener("pointermove", (e) => this.#moved(e));
    canvas.addEventListener("pointerup", (e) => this.#ended(e));
    canvas.addEventListener("pointercancel", () => this.#forget());
    canvas.addEventListener("pointerleave", () => {
      pointer.value = null;
      this.#unhover();
    });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("wheel", (e) => this.#wheel(e), { passive: false });
    addEventListener("keyup", (e) => e.key === "Shift" && this.#unhover());
  }

  #down(event: PointerEvent): void {
    const where = at(event, this.#canvas);
    this.#canvas.setPointerCapture(event.pointerId);
    this.#unhover();
    const label = event.button === 2 || event.altKey ? 0 : 1;
    if (event.button === 1 || event.ctrlKey) return this.#pan(event);
    if (this.#onWipe(event)) this.#move = (e) => this.#drawWipe(e);
    else if (!inside(where)) return;
    else if (tool.value === "erase") this.#erase(where);
    else if (tool.value === "brush") this.#stroke(where, label);
    else this.#click(where, label);
  }

  #click(from: At, label: 0 | 1): void {
    this.#move = (e) => {
      const to = clipped(at(e, this.#canvas));
      draft.value = label && apart(from, to) > SLIP ? { kind: "box", from, to } : null;
    };
    this.#up = () => {
      const drawn = draft.value;
      if (drawn?.kind !== "box") return void add({ points: [[from[0], from[1], label]] });
      const [[ax, ay], [bx, by]] = [drawn.from, drawn.to];
      if (ax !== bx && ay !== by) void add({ box: [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)] });
    };
  }

  #stroke(from: At, label: 0 | 1): void {
    let points: At[] = [from];
    draft.value = { kind: "stroke", points, label };
    this.#move = (e) => {
      const to = clipped(at(e, this.#canvas));
      const last = points.at(-1);
      if (last && apart(last, to) < 2) return;
      points = [...points, to];
      draft.value = { kind: "stroke", points, label };
    };
    this.#up = () => void add({ scribbles: [{ points, label, radius: brush.value / 100, mode: mode.value }] });
  }

  #erase(where: At): void {
    const now = said.value, mark = hit(now, where);
    if (now && mark) void drop(now, mark);
  }

  #pan(event: PointerEvent): void {
    const start = placed.value, ratio = devicePixelRatio;
    event.preventDefault();
    if (!start) return;
    this.#move = (e) => {
      const [dx, dy] = [(e.clientX - event.clientX) * ratio, (e.clientY - event.clientY) * ratio];
      zoom.value = { x: start.x - dx / start.scale, y: start.y - dy / start.scale, scale: start.scale };
    };
  }

  #onWipe(event: PointerEvent): boolean {
    if (wipe.value === null) return false;
    const box = this.#canvas.getBoundingClientRect();
    return Math.abs(event.clientX - box.left - wipe.value * box.width) < 8;
  }

  #drawWipe(event: PointerEvent): void {
    const box = this.#canvas.getBoundingClientRect();
    wipe.value = clamp((event.clientX - box.left) / box.width, 0, 1);
  }

  #moved(event: PointerEvent): void {
    const where = at(event, this.#canvas);
    pointer.value = inside(where) ? where : null;
    this.#canvas.classList.toggle("wiping", this.#onWipe(event));
    if (this.#move) return this.#move(event);
    if (event.shiftKey && tool.value === "click" && inside(where)) this.#hover(where, event.altKey ? 0 : 1);
    else this.#unhover();
  }

  #ended(event: PointerEvent): void {
    const up = this.#up;
    this.#move?.(event);
    up?.(event);
    this.#forget();
  }

  #forget(): void {
    this.#move = this.#up = null;
    draft.value = null;
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const start = placed.value, clip = shot.value?.clip;
    if (!start || !clip) return;
    const scale = clamp(start.scale * 2 ** (-event.deltaY / 240), 1 / 16, 64);
    const [x, y] = at(event, this.#canvas);
    const still = 1 - start.scale / scale;
    zoom.value = { x: start.x + (x * clip.width - start.x) * still, y: start.y + (y * clip.height - start.y) * still, scale };
  }

  /** Ask what a click here would select; one question at a time, and only the newest waits. */
  #hover(where: At, label: 0 | 1): void {
    this.#over = true;
    const ask = () => void this.#preview(where, label);
    if (this.#asking) this.#next = ask;
    else ask();
  }

  async #preview([x, y]: At, label: 0 | 1): Promise<void> {
    this.#asking = true;
    const number = frame.value;
    try {
      const prompt = { frame: number, object: active.value, points: [[x, y, label] as const] };
      const blob = await preview(prompt, HOVER_WIDTH, VIEWER, new AbortController().signal);
      const picture = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
      if (this.#over && frame.value === number) this.#screen.hover(picture);
    } catch (problem) {
      if (!(problem instanceof Refused) && !aborted(problem)) report(problem);
    }
    const next = this.#next;
    this.#asking = false;
    this.#next = null;
    next?.();
  }

  #unhover(): void {
    if (!this.#over) return;
    this.#over = false;
    this.#next = null;
    this.#screen.hover(null);
  }
}
