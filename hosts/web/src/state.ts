/** What the page knows and shows, as signals; actions.ts changes it, ui/ draws it. */
import { computed, signal } from "@preact/signals";
import { Engine } from "./api";
import { MOST_OBJECTS, type View } from "./gl/shader";
import type { Capabilities, JobState, ObjectState, Place, Prompt, Said, Selector, ShotState, Span } from "./words";

const words = new URLSearchParams(location.hash.slice(1));
/** What `trackmatte web` put behind the # of the address; no browser sends that anywhere. */
export const TOKEN = words.get("token") ?? "";
export const SHOT_FILE = words.get("shot") ?? "";
/** Tells this tab from others that look at the same shot. */
export const VIEWER = crypto.randomUUID();
export const engine = new Engine(TOKEN);

export const shot = signal<ShotState | null>(null);
export const capabilities = signal<Capabilities | null>(null);
export const places = signal<readonly Place[]>([]);

export type Trouble = { readonly title: string; readonly text: string; readonly retry: boolean };
/** What keeps the whole page from working. */
export const trouble = signal<Trouble | null>(null);

/** Kept over a reload: where the artist was and how it looked. */
const KEPT = "trackmatte.look";
interface Look {
  shot: string; frame: number; slot: number; view: View; wipe: number | null; onion: boolean; together: boolean;
  lens: number; backdrop: string; folder: string; method: string | null;
}
const kept = remembered();
export const frame = signal(kept.frame ?? 0);
export const slot = signal(kept.slot ?? 0);
export const view = signal<View>(kept.view ?? "overlay");
/** Share of the picture's canvas left of which the plate is shown, or null. */
export const wipe = signal<number | null>(kept.wipe ?? null);
export const onion = signal(kept.onion ?? false);
export const together = signal(kept.together ?? true);
/** Radius of the lens in the blur preview, percent of the width. */
export const lens = signal(kept.lens ?? 2);
export const backdrop = signal(kept.backdrop ?? "#2f6f4f");
/** Where the last export of this shot went. */
export const folder = signal(kept.folder ?? "");
/** The selector of what is said next; null = the shot's. */
export const method = signal<string | null>(kept.method ?? null);

function remembered(): Partial<Look> {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}") as Partial<Look>;
    return found.shot === SHOT_FILE ? found : {};
  } catch {
    return {};
  }
}

export function remember(): void {
  const look: Look = {
    shot: SHOT_FILE, frame: frame.value, slot: slot.value, view: view.value, wipe: wipe.value, onion: onion.value,
    together: together.value, lens: lens.value, backdrop: backdrop.value, folder: folder.value, method: method.value,
  };
  sessionStorage.setItem(KEPT, JSON.stringify(look));
}

export type Tool = "click" | "brush" | "erase" | "outline";
export const tool = signal<Tool>("click");
/** Radius of the brush, percent of the width. */
export const brush = signal(1);
export const mode = signal<"hint" | "paint" | "hair">("hint");
/** The cross that the keyboard moves, in [0, 1] of the picture. */
export const cross = signal<readonly [number, number] | null>(null);
/** null = fitted into the window; else the picture's point at the canvas's middle and device pixels per plate pixel. */
export const zoom = signal<{ readonly x: number; readonly y: number; readonly scale: number } | null>(null);
/** Frames a second in units of the clip's rate; 0 = still, negative = backward. */
export const speed = signal(0);

/** Names given to objects of which nothing was said yet, by slot. */
export const named = signal<Readonly<Record<number, string>>>({});
export const dialog = signal<"help" | "export" | null>(null);

export type Work = JobState & { stage: string; done: number; of: number; fps: number; eta: number };
export const jobs = signal<readonly Work[]>([]);
/** Edits that are on their way. */
export const busy = signal(0);

export type Note = { readonly id: number; readonly kind: "info" | "error"; readonly text: string };
export const notes = signal<readonly Note[]>([]);
let noted = 0;

/** Tell something; an error stays until it is closed. */
export function tell(text: string, kind: Note["kind"] = "info", seconds = 6): void {
  const id = ++noted;
  const others = notes.value.filter((n) => n.text !== text);
  notes.value = [...others, { id, kind, text }].slice(-4);
  if (kind === "info") setTimeout(() => dismiss(id), seconds * 1000);
}

export function dismiss(id: number): void {
  notes.value = notes.value.filter((n) => n.id !== id);
}

/** The objects of the shot by slot; objects beyond the tenth have no key, but a row. */
export const objects = computed<readonly ObjectState[]>(() => shot.value?.objects ?? []);
export const slots = computed(() => Math.min(MOST_OBJECTS, objects.value.length));

export function nameOf(at: number): string {
  return objects.value[at]?.object ?? named.value[at] ?? (at === 0 ? "subject" : `object ${at}`);
}

export const active = computed(() => nameOf(slot.value));
export const said = computed<Said | null>(() => saidOf(active.value, frame.value));

export function saidOf(object: string, number: number): Said | null {
  return shot.value?.prompts.find((p) => p.object === object && p.frame === number) ?? null;
}

/** How marks become a mask: what was chosen, else the shot's way. */
export const selector = computed<Selector | null>(() => selectorNamed(method.value ?? shot.value?.select ?? "auto"));

export function selectorNamed(name: string): Selector | null {
  return capabilities.value?.selectors.find((s) => s.name === name) ?? null;
}

export function within(spans: readonly Span[], number: number): boolean {
  return spans.some(([a, b]) => a <= number && number <= b);
}

export type Kind = "matte" | "mask" | "selection" | "none";
export interface Alpha {
  readonly kind: Kind;
  readonly stale: boolean;
}
/** What alpha is on the picture, by slot. */
export const shown = signal<readonly Alpha[]>([]);
/** The frame whose picture is on the screen. */
export const displayed = signal<number | null>(null);
/** Why the picture cannot be shown. */
export const unseen = signal("");

export function emptyPrompt(): Prompt {
  return { frame: frame.value, object: active.value };
}
