/** The outline of a selection, whose vertices the artist drags. */
import { effect, signal } from "@preact/signals";
import { engine, said, selector, selectorNamed, shot, tool, VIEWER } from "./state";
import { report } from "./session";
import type { Polygon, Said } from "./words";

export const outline = signal<readonly Polygon[]>([]);

export interface Vertex {
  readonly polygon: number;
  readonly at: number;
}

/** Keep the outline of what is selected here, for as long as its tool is in hand. */
export function keepOutline(): () => void {
  let of = "";
  return effect(() => {
    const from = said.value, name = shot.value?.shot;
    const way = selectorNamed(from?.select ?? shot.value?.select ?? "auto");
    if (tool.value !== "outline") return;
    if (!selector.value?.outline) tool.value = "brush";
    if (!from || !name || !way?.outline) {
      outline.value = [];
      return;
    }
    const place = JSON.stringify([name, from.frame, from.object]);
    if (place !== of) outline.value = [];
    of = place;
    if (from.polygons.length) outline.value = from.polygons;
    else void ask(name, from);
  });
}

async function ask(name: string, from: Said): Promise<void> {
  const before = outline.peek();
  try {
    const prompt = { frame: from.frame, object: from.object };
    const found = await engine.ask("preview", { shot: name }, { prompt, width: 16, viewer: `${VIEWER} outline`, exact: true });
    // What was said or dragged meanwhile counts more than the answer.
    if (tool.value === "outline" && said.value === from && outline.value === before) outline.value = found.polygons;
  } catch (problem) {
    report(problem);
  }
}

/** Put the vertex somewhere else. */
export function moved(all: readonly Polygon[], { polygon, at }: Vertex, to: readonly [number, number]): Polygon[] {
  return all.map((p, i) => (i === polygon ? p.with(at, to) : p));
}

/** Set a vertex between two others. */
export function split(all: readonly Polygon[], { polygon, at }: Vertex, where: readonly [number, number]): Polygon[] {
  return all.map((p, i) => (i === polygon ? p.toSpliced(at, 0, where) : p));
}

/** Take a vertex out; a polygon of three goes altogether, unless it is the only one. */
export function without(all: readonly Polygon[], { polygon, at }: Vertex): Polygon[] {
  const found = all[polygon];
  if (!found || (found.length <= 3 && all.length === 1)) return [...all];
  if (found.length <= 3) return all.toSpliced(polygon, 1);
  return all.map((p, i) => (i === polygon ? p.toSpliced(at, 1) : p));
}
