/** Marks on their way into a prompt, and those that wait because a selector needs both sides. */
import { signal } from "@preact/signals";
import type { Prompt, Said, Selector } from "./words";

export type Marks = Pick<Prompt, "points" | "box" | "scribbles" | "polygons">;

/** Marks that a selector cannot take yet: not saved, drawn like the others. */
export const pending = signal<{ readonly frame: number; readonly object: string; readonly marks: readonly Marks[] } | null>(null);

export function joined(all: readonly Marks[]): Marks {
  return {
    points: all.flatMap((m) => m.points ?? []),
    scribbles: all.flatMap((m) => m.scribbles ?? []),
    box: all.findLast((m) => m.box)?.box ?? null,
    polygons: all.at(-1)?.polygons ?? [],
  };
}

/** The side that nothing marks, of those that a selector needs. */
export function lacks(selector: Selector | null, from: Said | null, more: readonly Marks[]): "subject" | "background" | null {
  if (!selector || selector.needs === "marks") return null;
  const said = joined([from ?? {}, ...more]);
  const box = said.box ?? null;
  const strokes = (said.scribbles ?? []).filter((s) => s.mode !== "hair");
  if (!said.points?.length && !strokes.length && !box) return null;
  const marked = (label: 0 | 1) => said.points?.some((p) => p[2] === label) || strokes.some((s) => (s.label ?? 1) === label);
  if (!box && !marked(0)) return "background";
  return selector.needs === "both" && !marked(1) ? "subject" : null;
}

/** Take the newest waiting mark back; false = none waits. */
export function takeBack(): boolean {
  const now = pending.value;
  if (!now) return false;
  const marks = now.marks.slice(0, -1);
  pending.value = marks.length ? { ...now, marks } : null;
  return true;
}
