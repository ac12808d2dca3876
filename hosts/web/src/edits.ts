/** Edits of the shot: one at a time, each on the revision that the one before made. */
import { effect } from "@preact/signals";
import { Lost, Refused } from "./api";
import { report, take } from "./session";
import { active, busy, engine, frame, method, said, saidOf, selector, shot, tell } from "./state";
import { joined, lacks, pending, type Marks } from "./marks";
import type { Said, Scribble, ShotState } from "./words";

let line: Promise<unknown> = Promise.resolve();

type Change = (name: string, revision: number) => Promise<ShotState>;

/** Do an edit; where the line broke, the shot's revision tells whether the engine heard it, and if not it is said again. */
async function sure(what: Change, name: string, revision: number): Promise<ShotState> {
  try {
    return await what(name, revision);
  } catch (problem) {
    if (!(problem instanceof Lost)) throw problem;
    const now = await engine.ask("shot_state", { shot: name });
    return now.revision === revision ? what(name, revision) : now;
  }
}

/** Do an edit after those before it; what someone else did meanwhile is shown instead of being lost. */
function edit(what: Change, refused: () => void = () => undefined): Promise<void> {
  busy.value++;
  const mine = line.then(async () => {
    const now = shot.value;
    if (!now) return;
    try {
      take(await sure(what, now.shot, now.revision));
    } catch (problem) {
      refused();
      if (!(problem instanceof Refused && problem.code === "stale" && problem.shot)) return report(problem);
      take(problem.shot);
      tell("The shot was edited elsewhere, so this step was not done. Look at it and do it again.", "error");
    } finally {
      busy.value--;
    }
  });
  line = mine;
  return mine;
}

/** Say more on this frame; marks that a selector can do nothing with yet wait for their other side. */
export function add(what: Marks): Promise<void> {
  const at = { frame: frame.value, object: active.value };
  const waiting = pending.value?.frame === at.frame && pending.value.object === at.object ? pending.value.marks : [];
  if (lacks(selector.value, saidOf(at.object, at.frame), [...waiting, what])) {
    pending.value = { ...at, marks: [...waiting, what] };
    return Promise.resolve();
  }
  const before = pending.value;
  pending.value = null;
  const prompt = { ...at, ...joined([...waiting, what]), select: chosen() };
  return edit(async (name, revision) => (await engine.ask("add_prompt", { shot: name }, { revision, prompt })).shot,
    () => (pending.value = waiting.length ? before : pending.value));
}

/** The selector as a prompt names it: null = the shot's. */
export function chosen(): string | null {
  const name = selector.value?.name ?? null;
  return name === shot.value?.select && !said.value?.select ? null : name;
}

/** Take the selector over from what was said, wherever one comes. */
export function keepMethod(): () => void {
  let last = "";
  return effect(() => {
    const from = said.value;
    const key = from ? JSON.stringify([from.frame, from.object, from.select]) : "";
    if (key !== last && from && (from.points.length || from.scribbles.length || from.box)) method.value = from.select;
    last = key;
  });
}

/** Choose the selector; what was said here is selected anew by it, if it can. */
export function choose(name: string): Promise<void> {
  const from = said.value;
  method.value = name;
  const now = selector.value;
  if (!from || !now || now.name === (from.select ?? shot.value?.select) || lacks(now, from, [])) return Promise.resolve();
  const { points, scribbles, box } = from;
  if (!points.length && !scribbles.length && !box) return Promise.resolve();
  const prompt = { frame: from.frame, object: from.object, points, scribbles, box, select: name };
  return edit(async (shotName, revision) =>
    (await engine.ask("put_prompt", { shot: shotName }, { revision, prompt, keep_mask: from.mask && now.mask })).shot);
}

export type Mark =
  | { readonly kind: "point"; readonly index: number }
  | { readonly kind: "box" }
  | { readonly kind: "stroke"; readonly index: number };

/** Take one mark away; with the last one goes the prompt. */
export function drop(from: Said, mark: Mark): Promise<void> {
  const points = from.points.filter((_, i) => !(mark.kind === "point" && mark.index === i));
  const scribbles: readonly Scribble[] = from.scribbles.filter((_, i) => !(mark.kind === "stroke" && mark.index === i));
  const box = mark.kind === "box" ? null : from.box;
  if (!points.length && !scribbles.length && !box) return clear(from);
  const prompt = { frame: from.frame, object: from.object, points, scribbles, box, select: from.select };
  return edit(async (name, revision) =>
    (await engine.ask("put_prompt", { shot: name }, { revision, prompt, keep_mask: from.mask })).shot);
}

/** Take back everything said about the active object on this frame. */
export async function clear(from: Said | null = said.value): Promise<void> {
  const waited = pending.value !== null;
  pending.value = null;
  if (!from) return waited ? undefined : tell(`Nothing was said about ${active.value} on this frame.`);
  return edit((name, revision) =>
    engine.ask("remove_prompt", { shot: name }, { revision, frame: from.frame, object: from.object }));
}

export function forget(object: string): Promise<void> {
  return edit((name, revision) => engine.ask("forget_object", { shot: name }, { revision, object }));
}

export function setRange(range: readonly [number, number] | null): Promise<void> {
  return edit((name, revision) => engine.ask("set_range", { shot: name }, { revision, range }));
}

export function setRefiner(refiner: string): Promise<void> {
  return edit((name, revision) => engine.ask("set_methods", { shot: name }, { revision, refiner }));
}

export function pickLayers(layers: readonly number[]): Promise<void> {
  const at = { frame: frame.value, object: active.value };
  return edit(async (name, revision) => (await engine.ask("pick_layers", { shot: name }, { revision, ...at, layers })).shot);
}

export function travel(way: "undo" | "redo"): Promise<void> {
  return edit((name, revision) => engine.ask(way, { shot: name }, { revision }));
}

/** Freeze or free the active object on this frame. */
export function lock(way: "lock" | "unlock", frames: readonly [number, number]): Promise<void> {
  return edit((name, revision) => engine.ask(way, { shot: name }, { revision, object: active.value, frames }));
}
