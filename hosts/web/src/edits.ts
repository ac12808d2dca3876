/** Edits of the shot: one at a time, each on the revision that the one before made. */
import { Refused } from "./api";
import { report, take } from "./session";
import { active, busy, engine, frame, said, shot, tell } from "./state";
import type { Prompt, Said, Scribble, ShotState } from "./words";

let line: Promise<unknown> = Promise.resolve();

/** Do an edit after those before it; what someone else did meanwhile is shown instead of being lost. */
function edit(what: (name: string, revision: number) => Promise<ShotState>): Promise<void> {
  busy.value++;
  const mine = line.then(async () => {
    const now = shot.value;
    if (!now) return;
    try {
      take(await what(now.shot, now.revision));
    } catch (problem) {
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

export function add(what: Omit<Prompt, "frame" | "object">): Promise<void> {
  const prompt = { frame: frame.value, object: active.value, ...what };
  return edit(async (name, revision) => (await engine.ask("add_prompt", { shot: name }, { revision, prompt })).shot);
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
  const prompt = { frame: from.frame, object: from.object, points, scribbles, box };
  return edit(async (name, revision) =>
    (await engine.ask("put_prompt", { shot: name }, { revision, prompt, keep_mask: from.mask })).shot);
}

/** Take back everything said about the active object on this frame. */
export async function clear(from: Said | null = said.value): Promise<void> {
  if (!from) return tell(`Nothing was said about ${active.value} on this frame.`);
  return edit((name, revision) =>
    engine.ask("remove_prompt", { shot: name }, { revision, frame: from.frame, object: from.object }));
}

export function forget(object: string): Promise<void> {
  return edit((name, revision) => engine.ask("forget_object", { shot: name }, { revision, object }));
}

export function setRange(range: readonly [number, number] | null): Promise<void> {
  return edit((name, revision) => engine.ask("set_range", { shot: name }, { revision, range }));
}

export function travel(way: "undo" | "redo"): Promise<void> {
  return edit((name, revision) => engine.ask(way, { shot: name }, { revision }));
}

/** Freeze or free the active object on this frame. */
export function lock(way: "lock" | "unlock", frames: readonly [number, number]): Promise<void> {
  return edit((name, revision) => engine.ask(way, { shot: name }, { revision, object: active.value, frames }));
}
