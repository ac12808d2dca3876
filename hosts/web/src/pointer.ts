/** What the pointer does on the picture: clicks, boxes, strokes, taking marks away, panning, zooming, the wipe. */
import { signal } from "@preact/signals";
import { interrupt, placed } from "./actions";
import { add, drop, type Mark } from "./edits";
import { Hover } from "./hover";
import { layered, pickAt } from "./layers";
import type { Marks } from "./marks";
import { clamp, unit } from "./numbers";
import { moved, outline, split, without, type Vertex } from "./outline";
import { brush, mode, said, shot, tool, wipe, zoom } from "./state";
import { canvasSize, placement, type Screen } from "./view";
import type { Polygon, Said } from "./words";

type At = readonly [x: number, y: number];
/** What is being drawn, in [0, 1] of the picture. */
export type Draft = { readonly kind: "box"; readonly from: At; readonly to: At } | { readonly kind: "stroke"; readonly points: readonly At[]; readonly label: 0 | 1 };
export const draft = signal<Draft | null>(null);
export const pointer = signal<At | null>(null);

/** CSS pixels that a click may slip; and, on a small screen, within which a mark is hit. */
const SLIP = 4, REACH = 12;

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

/** A path and one place more, if that is not where it already ends. */
function further(path: readonly At[], to: At): readonly At[] {
  const last = path.at(-1);
  return last && apart(last, to) < 2 ? path : [...path, to];
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

/** The nearest of some places that is within reach, or null. */
function within<T>(found: readonly (readonly [number, T])[]): T | null {
  const best = found.reduce<readonly [number, T] | null>((a, b) => (a && a[0] <= b[0] ? a : b), null);
  return best && best[0] <= REACH * unit() ? best[1] : null;
}

function nearestVertex(all: readonly Polygon[], where: At): Vertex | null {
  return within(all.flatMap((p, polygon) => p.map((v, at) => [apart(v, where), { polygon, at }] as const)));
}

/** The place for a new vertex: after the one that the nearest line begins at. */
function nearestEdge(all: readonly Polygon[], where: At): Vertex | null {
  return within(all.flatMap((p, polygon) => p.map((from, i) => {
    const to = p[(i + 1) % p.length] ?? from;
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const t = clamp(((where[0] - from[0]) * dx + (where[1] - from[1]) * dy) / (dx * dx + dy * dy || 1), 0, 1);
    return [apart([from[0] + t * dx, from[1] + t * dy], where), { polygon, at: i + 1 }] as const;
  })));
}

const box = ([ax, ay]: At, [bx, by]: At) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)] as const;

export class Pointer {
  readonly #canvas: HTMLElement;
  #move: ((event: PointerEvent) => void) | null = null;
  #up: ((event: PointerEvent) => void) | null = null;
  #cancel: (() => void) | null = null;
  readonly #hover: Hover;
  /** Whether marks that were just made are on their way, and stay shown. */
  #held = false;

  constructor(canvas: HTMLElement, screen: Screen) {
    this.#canvas = canvas;
    this.#hover = new Hover(screen);
    canvas.addEventListener("pointerdown", (e) => this.#down(e));
    canvas.addEventListener("pointermove", (e) => this.#moved(e));
    canvas.addEventListener("pointerup", (e) => this.#ended(e));
    canvas.addEventListener("pointercancel", () => this.#interrupt());
    canvas.addEventListener("pointerleave", () => {
      pointer.value = null;
      this.#hover.hide();
    });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("wheel", (e) => this.#wheel(e), { passive: false });
    addEventListener("keyup", (e) => e.key === "Shift" && this.#hover.hide());
  }

  #down(event: PointerEvent): void {
    const where = at(event, this.#canvas);
    this.#canvas.setPointerCapture(event.pointerId);
    this.#hover.hide();
    const label = event.button === 2 || event.altKey ? 0 : 1;
    if (event.button === 1 || event.ctrlKey) return this.#pan(event);
    if (this.#onWipe(event)) this.#move = (e) => this.#drawWipe(e);
    else if (!inside(where)) return;
    else if (layered.value) pickAt(...where);
    else if (tool.value === "outline") this.#vertex(where, label);
    else if (tool.value === "erase") this.#erase(where);
    else if (tool.value === "brush") this.#stroke(where, label);
    else this.#click(where, label);
    if (this.#up) interrupt.value = () => this.#interrupt();
  }

  #click(from: At, label: 0 | 1): void {
    this.#move = (e) => {
      const to = clipped(at(e, this.#canvas));
      draft.value = label && apart(from, to) > SLIP ? { kind: "box", from, to } : null;
      if (draft.value && from[0] !== to[0] && from[1] !== to[1]) this.#hover.show({ box: box(from, to) });
    };
    this.#up = () => {
      const drawn = draft.value;
      if (drawn?.kind !== "box") return this.#add({ points: [[from[0], from[1], label]] });
      if (drawn.from[0] !== drawn.to[0] && drawn.from[1] !== drawn.to[1]) this.#add({ box: box(drawn.from, drawn.to) });
    };
  }

  #stroke(from: At, label: 0 | 1): void {
    let points: readonly At[] = [from];
    const stroke = () => ({ scribbles: [{ points, label, radius: brush.value / 100, mode: mode.value }] });
    draft.value = { kind: "stroke", points, label };
    this.#move = (e) => {
      const before = points;
      // A browser that is slow hands over several places at once; without them a curve would become its chord.
      for (const step of e.getCoalescedEvents?.() ?? []) points = further(points, clipped(at(step, this.#canvas)));
      points = further(points, clipped(at(e, this.#canvas)));
      if (points === before) return;
      draft.value = { kind: "stroke", points, label };
      if (mode.value !== "hair") this.#hover.show(stroke());
    };
    this.#up = () => this.#add(stroke());
  }

  /** Drag a vertex of the outline, set one on its line, or with the right button take one away. */
  #vertex(from: At, label: 0 | 1): void {
    const before = outline.value;
    const near = nearestVertex(before, from), found = near ?? (label ? nearestEdge(before, from) : null);
    if (!found) return;
    if (!label) {
      const left = without(before, found);
      if (left.length && left !== before) this.#add({ polygons: left });
      return;
    }
    const start = near ? before : split(before, found, from);
    outline.value = start;
    this.#cancel = () => (outline.value = before);
    this.#move = (e) => {
      outline.value = moved(start, found, clipped(at(e, this.#canvas)));
      this.#hover.show({ polygons: outline.value });
    };
    this.#up = () => {
      this.#cancel = null;
      this.#add({ polygons: outline.value }, () => (outline.value = before));
    };
  }

  /** Say it, and show what it selected until the answer is there. */
  #add(what: Marks, refused: () => void = () => undefined): void {
    this.#held = true;
    const revision = shot.value?.revision;
    void add(what).then(() => {
      this.#held = false;
      this.#hover.hide();
      if (shot.value?.revision === revision) refused();
    });
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
    if (event.shiftKey && tool.value === "click" && inside(where) && !layered.value) this.#hover.show({ points: [[...where, event.altKey ? 0 : 1]] });
    else if (!this.#held) this.#hover.hide();
  }

  #ended(event: PointerEvent): void {
    const up = this.#up;
    this.#move?.(event);
    up?.(event);
    this.#forget();
  }

  #forget(): void {
    this.#cancel?.();
    this.#move = this.#up = this.#cancel = null;
    draft.value = null;
    interrupt.value = null;
  }

  /** Esc: what is being drawn was not meant. */
  #interrupt(): void {
    this.#hover.hide();
    this.#forget();
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
}
