/** Draws the timeline: ruler, thumbnails, the line of doubt, and one row for each object. */
import { css } from "./palette";
import { within } from "./state";
import type { ObjectState, Place, ShotState, Span } from "./words";

/** Pixels of a small screen; see `unit`. */
export const RULER = 20, STRIP = 34, HEAT = 8, ROW = 18;
export const MOST_THUMBS = 24;
export const COLOURS = {
  back: "#1c1c1c", row: "#242424", tick: "#8f8f8f", text: "#c8c8c8", tracked: "#3f86b8", matted: "#2fb58c", stale: "#e0a030",
  locked: "#ffffff", lost: "#ff6b57", doubt: "#ff6b57", head: "#ffffff", range: "#e8b04a", shade: "rgb(0 0 0 / 0.45)",
} as const;

export interface Stretch {
  /** First frame on screen, and how many pixels a frame takes. */
  readonly from: number;
  readonly each: number;
}

export interface Drawing {
  readonly shot: ShotState;
  readonly objects: readonly ObjectState[];
  readonly places: readonly Place[];
  readonly frame: number;
  readonly slot: number;
  readonly stretch: Stretch;
  readonly width: number;
  readonly height: number;
  readonly thumbs: ReadonlyMap<number, ImageBitmap>;
}

export function heightOf(rows: number): number {
  return RULER + STRIP + HEAT + Math.max(1, rows) * ROW + 4;
}

export function xOf(stretch: Stretch, frame: number): number {
  return (frame - stretch.from) * stretch.each;
}

/** A place for a thumbnail. */
export interface Cell {
  readonly frame: number;
  readonly x: number;
  readonly wide: number;
}

/** The strip's thumbnails: at most MOST_THUMBS, however long the clip is. */
export function cells(shot: ShotState, stretch: Stretch, width: number): Cell[] {
  const wide = Math.max(12, (STRIP * shot.clip.width) / shot.clip.height);
  const many = Math.max(1, Math.min(MOST_THUMBS, Math.ceil(width / wide)));
  const each = width / many;
  return Array.from({ length: many }, (_, i) => ({
    frame: Math.floor(stretch.from + ((i + 0.5) * each) / stretch.each), x: i * each, wide: each,
  })).filter(({ frame }) => frame >= shot.clip.first && frame <= shot.clip.last && !within(shot.clip.missing, frame));
}

export function paint(c: CanvasRenderingContext2D, d: Drawing): void {
  c.clearRect(0, 0, d.width, d.height);
  c.fillStyle = COLOURS.back;
  c.fillRect(0, 0, d.width, d.height);
  ruler(c, d);
  strip(c, d);
  heat(c, d);
  d.objects.forEach((o, i) => row(c, d, o, i));
  if (!d.objects.length) lane(c, d, 0);
  shade(c, d);
  head(c, d);
}

function ruler(c: CanvasRenderingContext2D, d: Drawing): void {
  const step = [1, 2, 5].flatMap((k) => Array.from({ length: 8 }, (_, e) => k * 10 ** e)).sort((a, b) => a - b)
    .find((s) => s * d.stretch.each >= 64) ?? 1e8;
  c.font = "11px system-ui, sans-serif";
  c.textBaseline = "top";
  const last = Math.min(d.shot.clip.last, d.stretch.from + d.width / d.stretch.each);
  for (let n = Math.ceil(Math.max(d.shot.clip.first, d.stretch.from) / step) * step; n <= last; n += step) {
    const x = xOf(d.stretch, n + 0.5);
    c.fillStyle = COLOURS.tick;
    c.fillRect(x, RULER - 5, 1, 5);
    c.fillStyle = COLOURS.text;
    c.fillText(`${n}`, x + 3, 3);
  }
}

/** A thumbnail fills its place; what is too much of it is cut off on both sides. */
function strip(c: CanvasRenderingContext2D, d: Drawing): void {
  for (const { frame, x, wide } of cells(d.shot, d.stretch, d.width)) {
    const picture = d.thumbs.get(frame);
    if (!picture) continue;
    const seen = Math.min(picture.width, (picture.height * wide) / (STRIP - 2));
    const drawn = (seen * (STRIP - 2)) / picture.height;
    c.drawImage(picture, (picture.width - seen) / 2, 0, seen, picture.height, x + (wide - drawn) / 2, RULER, drawn - 1, STRIP - 2);
  }
}

function heat(c: CanvasRenderingContext2D, d: Drawing): void {
  const top = RULER + STRIP;
  c.fillStyle = COLOURS.row;
  c.fillRect(0, top, d.width, HEAT - 2);
  c.fillStyle = COLOURS.doubt;
  for (const place of d.places) {
    const [x, w] = across(d, [place.first, place.last]);
    const high = Math.max(2, place.doubt * (HEAT - 2));
    c.fillRect(x, top + HEAT - 2 - high, w, high);
  }
}

function across(d: Drawing, [a, b]: Span): [number, number] {
  const x = xOf(d.stretch, a);
  return [x, Math.max(1.5, xOf(d.stretch, b + 1) - x)];
}

function lane(c: CanvasRenderingContext2D, d: Drawing, at: number): number {
  const top = RULER + STRIP + HEAT + at * ROW;
  c.fillStyle = COLOURS.row;
  c.fillRect(0, top, d.width, ROW - 2);
  return top;
}

/** Tracked: the lower half. Refined: full height. Stale: hatched. Locked: a line on top. Not found: crosses. */
function row(c: CanvasRenderingContext2D, d: Drawing, object: ObjectState, at: number): void {
  const top = lane(c, d, at), high = ROW - 2;
  const fill = (spans: readonly Span[], colour: string | CanvasPattern, from: number, to: number) => {
    c.fillStyle = colour;
    for (const span of spans) {
      const [x, w] = across(d, span);
      c.fillRect(x, top + from, w, to - from);
    }
  };
  fill(object.tracked, COLOURS.tracked, high / 2, high);
  fill(object.matted, COLOURS.matted, 2, high);
  for (const span of object.stale) hatch(c, ...across(d, span), top + 2, high - 2);
  fill(object.locked, COLOURS.locked, 0, 2);
  c.strokeStyle = COLOURS.lost;
  c.lineWidth = 1.5;
  for (const [a, b] of object.lost) {
    for (let n = a; n <= b && d.stretch.each >= 3; n++) sign(c, xOf(d.stretch, n + 0.5), top + high / 2);
    if (d.stretch.each < 3) fill([[a, b]], COLOURS.lost, 0, 3);
  }
  for (const [a, b] of object.prompted) for (let n = a; n <= b; n++) diamond(c, xOf(d.stretch, n + 0.5), top + high / 2, css(at));
  if (at === d.slot) {
    c.fillStyle = css(at);
    c.fillRect(0, top, 3, high);
  }
}

function hatch(c: CanvasRenderingContext2D, x: number, w: number, top: number, high: number): void {
  c.save();
  c.beginPath();
  c.rect(x, top, w, high);
  c.clip();
  c.strokeStyle = COLOURS.stale;
  c.lineWidth = 2;
  c.beginPath();
  for (let k = Math.max(-high, Math.floor(-x - high)); k < Math.min(w, c.canvas.width - x); k += 6) {
    c.moveTo(x + k, top + high);
    c.lineTo(x + k + high, top);
  }
  c.stroke();
  c.restore();
}

function sign(c: CanvasRenderingContext2D, x: number, y: number): void {
  c.beginPath();
  c.moveTo(x - 3, y - 3);
  c.lineTo(x + 3, y + 3);
  c.moveTo(x + 3, y - 3);
  c.lineTo(x - 3, y + 3);
  c.stroke();
}

function diamond(c: CanvasRenderingContext2D, x: number, y: number, colour: string): void {
  c.beginPath();
  c.moveTo(x, y - 6);
  c.lineTo(x + 6, y);
  c.lineTo(x, y + 6);
  c.lineTo(x - 6, y);
  c.closePath();
  c.fillStyle = colour;
  c.strokeStyle = "#000";
  c.lineWidth = 2;
  c.stroke();
  c.fill();
}

function shade(c: CanvasRenderingContext2D, d: Drawing): void {
  const [a, b] = d.shot.range;
  const [left, right] = [xOf(d.stretch, a), xOf(d.stretch, b + 1)];
  c.fillStyle = COLOURS.shade;
  if (left > 0) c.fillRect(0, RULER, left, d.height - RULER);
  if (right < d.width) c.fillRect(right, RULER, d.width - right, d.height - RULER);
}

function head(c: CanvasRenderingContext2D, d: Drawing): void {
  const x = xOf(d.stretch, d.frame), w = Math.max(1.5, d.stretch.each);
  c.fillStyle = "rgb(255 255 255 / 0.16)";
  c.fillRect(x, RULER, w, d.height - RULER);
  c.fillStyle = COLOURS.head;
  c.fillRect(x + w / 2 - 0.75, 12, 1.5, d.height - 12);
  c.beginPath();
  c.moveTo(x + w / 2 - 5, 6);
  c.lineTo(x + w / 2 + 5, 6);
  c.lineTo(x + w / 2, 14);
  c.fill();
}
