/** What every key and button does. */
import { add, choose as chooseMethod, clear, setRange, travel } from "./edits";
import { tier } from "./frames";
import type { View } from "./gl/shader";
import type { Action } from "./keys";
import { layered, leaveLayers, showLayers, useLayers } from "./layers";
import { takeBack } from "./marks";
import { clamp, nearest, stepped } from "./numbers";
import { follow, report } from "./session";
import {
  active, capabilities, cross, dialog, engine, frame, jobs, nameOf, objects, onion, places, selector, shot, slot, speed, tell, together,
  tool, view, wipe, zoom,
} from "./state";
import type { ExportFrames } from "./words";

export function goTo(number: number): void {
  const clip = shot.value?.clip;
  if (clip) frame.value = nearest(clip, number);
}

function step(by: number): void {
  const clip = shot.value?.clip;
  if (!clip) return;
  speed.value = 0;
  frame.value = stepped(clip, frame.value, by);
}

function toPrompt(way: 1 | -1): void {
  const frames = (shot.value?.prompts ?? []).map((p) => p.frame).filter((n) => (n - frame.value) * way > 0);
  if (frames.length) goTo(way > 0 ? Math.min(...frames) : Math.max(...frames));
}

/** Play one way; again = twice as fast, up to four times. */
function play(way: 1 | -1): void {
  const now = speed.value;
  speed.value = now * way > 0 ? way * Math.min(4, Math.abs(now) * 2) : way;
}

function mark(end: "in" | "out"): void {
  const now = shot.value;
  if (!now) return;
  const [a, b] = now.range;
  const at = frame.value;
  void setRange(end === "in" ? [at, Math.max(at, b)] : [Math.min(a, at), at]);
}

/** Choose how marks become a mask, and the tool that it wants first. */
export function setMethod(name: string): void {
  void chooseMethod(name);
  const needs = selector.value?.needs;
  if (tool.value === "outline" || (needs === "both" && tool.value === "click")) tool.value = "brush";
  else if (needs === "background" && tool.value === "brush") tool.value = "click";
}

function nextMethod(): void {
  const all = capabilities.value?.selectors ?? [];
  const next = all[(all.findIndex((s) => s.name === selector.value?.name) + 1) % all.length];
  if (!next) return;
  setMethod(next.name);
  tell(`${next.title}: ${next.what}`);
}

function dragOutline(): void {
  const movable = capabilities.value?.selectors.filter((s) => s.outline).map((s) => s.title).join(", ");
  if (selector.value?.outline) tool.value = tool.value === "outline" ? "brush" : "outline";
  else tell(`Choose the method ${movable} first: it has an outline to drag.`);
}

/** Enter: whatever is under way is accepted. */
function accept(): void {
  if (layered.value) void useLayers();
  else if (tool.value === "outline") tool.value = "brush";
  else atCross(1);
}

/** Esc: whatever is under way is left. */
function leave(): void {
  if (layered.value) leaveLayers();
  else if (interrupt.value) interrupt.value();
  else if (tool.value === "outline") tool.value = "brush";
  else void stopWork();
}

/** Ends what the pointer is drawing, while it draws. */
export const interrupt: { value: (() => void) | null } = { value: null };

function choose(at: number): void {
  if (at > objects.value.length) at = objects.value.length;
  slot.value = at;
  tell(`Object ${at}: ${nameOf(at)}`, "info", 2);
}

/** Move the cross by a part of the width, ``far`` times as much where asked. */
function moveCross(dx: number, dy: number, far = 1): void {
  const clip = shot.value?.clip;
  if (!clip) return;
  const [x, y] = cross.value ?? [0.5, 0.5];
  const by = Math.max(1, clip.width / 200) * far;
  cross.value = [clamp(x + (dx * by) / clip.width, 0, 1), clamp(y + (dy * by) / clip.height, 0, 1)];
}

function atCross(label: 0 | 1): void {
  if (!cross.value) cross.value = [0.5, 0.5];
  else void add({ points: [[cross.value[0], cross.value[1], label]] });
}

/** Zoom by a factor about the middle of the canvas. */
export function zoomBy(factor: number): void {
  const at = placed.value;
  if (at) zoom.value = { ...at, scale: clamp(at.scale * factor, 1 / 16, 64) };
}

/** Where the picture lies now, as zoom has it; the viewer keeps it. */
export const placed: { value: { x: number; y: number; scale: number } | null } = { value: null };

export async function start<N extends "track" | "matte">(what: N, direction: "both" | "forward" | "backward" = "both"): Promise<void> {
  const now = shot.value;
  if (!now) return;
  if (!now.prompts.length) return tell(`Click on ${active.value} in the picture first: nothing is selected yet.`, "info", 10);
  try {
    const state = what === "track"
      ? await engine.ask("track", { shot: now.shot }, { direction })
      : await engine.ask("matte", { shot: now.shot }, {});
    void follow(state.job);
  } catch (problem) {
    report(problem);
  }
}

/** Deliver; what is missing is tracked and refined first. The engine has the whole queue, so that a reload loses none of it. */
export async function deliver(request: ExportFrames, prepare: boolean): Promise<void> {
  const now = shot.value;
  if (!now) return;
  const started = [];
  if (prepare) {
    started.push(await engine.ask("track", { shot: now.shot }, {}));
    started.push(await engine.ask("matte", { shot: now.shot }, {}));
  }
  started.push(await engine.ask("export", { shot: now.shot }, request));
  for (const { job } of started) void follow(job);
}

/** Stop what runs and what waits. */
export async function stopWork(): Promise<void> {
  speed.value = 0;
  try {
    for (const { job } of [...jobs.value].reverse()) await engine.ask("cancel_job", { job });
  } catch (problem) {
    report(problem);
  }
}

/** Go to the next frame that needs the artist; after the last, to the first. */
function nextDoubt(): void {
  const found = [...places.value].sort((a, b) => a.frame - b.frame);
  const place = found.find((p) => p.frame > frame.value) ?? found[0];
  if (!place) return tell("No tracked frame is in doubt.");
  goTo(place.frame);
  const at = objects.value.findIndex((o) => o.object === place.object);
  if (at >= 0) slot.value = at;
  tell(`Frame ${place.frame}, ${place.object}: ${place.reasons.join(", ")}`, "info", 8);
}

function show(what: View): () => void {
  return () => (view.value = what);
}

const plain: Partial<Record<Action, () => void>> = {
  back: () => step(-1), forward: () => step(1), back10: () => step(-10), forward10: () => step(10),
  first: () => goTo(-Infinity), last: () => goTo(Infinity), previousPrompt: () => toPrompt(-1), nextPrompt: () => toPrompt(1),
  play: () => (speed.value = speed.value ? 0 : 1), playBack: () => play(-1), playForward: () => play(1), stopPlay: () => (speed.value = 0),
  in: () => mark("in"), out: () => mark("out"), nextDoubt,
  plate: show("plate"), overlay: show("overlay"), alpha: show("alpha"), checker: show("checker"), colour: show("colour"), blur: show("blur"),
  wipe: () => (wipe.value = wipe.value === null ? 0.5 : null), onion: () => (onion.value = !onion.value),
  together: () => (together.value = !together.value),
  click: () => (tool.value = "click"), brush: () => (tool.value = "brush"), erase: () => (tool.value = "erase"),
  outline: dragOutline, nextMethod, layers: () => (layered.value ? leaveLayers() : void showLayers()),
  fit: () => (zoom.value = null), actual: () => zoomBy(1 / (placed.value?.scale ?? 1)), zoomIn: () => zoomBy(2), zoomOut: () => zoomBy(0.5),
  crossLeft: () => moveCross(-1, 0), crossRight: () => moveCross(1, 0), crossUp: () => moveCross(0, -1), crossDown: () => moveCross(0, 1),
  crossLeftFar: () => moveCross(-1, 0, 10), crossRightFar: () => moveCross(1, 0, 10),
  crossUpFar: () => moveCross(0, -1, 10), crossDownFar: () => moveCross(0, 1, 10),
  addPoint: accept, addBackground: () => atCross(0),
  track: () => void start("track", "forward"), trackBack: () => void start("track", "backward"), trackBoth: () => void start("track"),
  matte: () => void start("matte"), stop: leave,
  undo: () => void (takeBack() || travel("undo")), redo: () => void travel("redo"), clear: () => void clear(),
  export: () => (dialog.value = "export"), help: () => (dialog.value = dialog.value === "help" ? null : "help"),
};

export function run(action: Action): void {
  if (action.startsWith("object")) choose(Number(action.slice(6)));
  else plain[action]?.();
}

/** The width to ask pictures for, as the picture lies now. */
export function widthNow(): number {
  const clip = shot.value?.clip;
  const wide = (placed.value?.scale ?? 1) * (clip?.width ?? 960);
  return tier(speed.value ? Math.min(960, wide) : wide);
}

/** Frames that are on the screen or will be soon. */
export function around(): number[] {
  const clip = shot.value?.clip;
  if (!clip) return [];
  const way = Math.sign(speed.value) || 1;
  const near = [1, -1, 2, 3, 4].map((by) => stepped(clip, frame.value, by * way));
  return [...new Set([frame.value, ...near])];
}
