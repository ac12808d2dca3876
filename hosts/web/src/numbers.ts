/** Frame numbers of a clip that may have gaps. */
import type { ClipFacts, Span } from "./words";

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** The frame ``by`` steps from ``number``, over gaps, at most the clip's ends. */
export function stepped(clip: ClipFacts, number: number, by: number): number {
  const on = by > 0;
  let at = number;
  for (let left = Math.abs(by); left > 0; ) {
    const gap = on ? clip.missing.find(([a]) => a > at) : clip.missing.findLast(([, b]) => b < at);
    const edge = on ? (gap ? gap[0] - 1 : clip.last) : gap ? gap[1] + 1 : clip.first;
    const room = Math.abs(edge - at);
    if (left <= room) return at + Math.sign(by) * left;
    if (!gap) return edge;
    left -= room + 1;
    at = on ? gap[1] + 1 : gap[0] - 1;
  }
  return at;
}

/** The frame there is that is nearest to ``number``. */
export function nearest(clip: ClipFacts, number: number): number {
  const at = clamp(Math.round(number), clip.first, clip.last);
  const gap = clip.missing.find(([a, b]) => a <= at && at <= b);
  if (!gap) return at;
  const [before, after] = [gap[0] - 1, gap[1] + 1];
  if (before < clip.first) return after;
  return at - before <= after - at ? before : after;
}

/** Frames in spans. */
export function count(spans: readonly Span[]): number {
  return spans.reduce((sum, [a, b]) => sum + b - a + 1, 0);
}

/** Spans as people write them: 1001-1012, 1020. */
export function written(spans: readonly Span[], most = 4): string {
  const parts = spans.slice(0, most).map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`));
  return parts.join(", ") + (spans.length > most ? " ..." : "");
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** CSS pixels of one pixel of a small screen: marks and timeline grow with the page's text on a large one. */
export function unit(): number {
  return Math.max(1, Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 13);
}
