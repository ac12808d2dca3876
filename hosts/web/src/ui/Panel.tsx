/** The right side: objects, tool, work. */
import { run, setMethod, start } from "../actions";
import { forget, lock, setRefiner } from "../edits";
import type { Action } from "../keys";
import { layered } from "../layers";
import { MOST_OBJECTS } from "../gl/shader";
import { pending } from "../marks";
import { count } from "../numbers";
import { css, MARKS } from "../palette";
import {
  active, brush, capabilities, frame, jobs, mode, named, nameOf, objects, places, said, selector, shot, slot, tool, within, type Tool,
} from "../state";
import { LayersBox } from "./LayersBox";
import { Progress } from "./Progress";
import { keyOf } from "./Viewer";

export function Panel() {
  return (
    <aside class="panel">
      <Objects />
      {layered.value ? <LayersBox /> : <Tools />}
      <WorkBox />
      {!layered.value && <LayersBox />}
    </aside>
  );
}

function Objects() {
  const many = Math.min(MOST_OBJECTS, objects.value.length + 1);
  return (
    <section aria-labelledby="objects-title">
      <h2 id="objects-title">Objects</h2>
      <ul class="objects">
        {Array.from({ length: Math.max(many, objects.value.length) }, (_, at) => <Row key={at} at={at} />)}
      </ul>
    </section>
  );
}

function Row({ at }: { at: number }) {
  const object = objects.value[at];
  const here = at === slot.value;
  const stands = object ? `${count(object.tracked)} tracked, ${count(object.stale)} stale, ${count(object.matted)} refined` : "new object";
  if (here && !object) {
    return (
      <li class="object here new">
        <Swatch at={at} />
        <input
          type="text" aria-label={`Name of object ${at}`} value={nameOf(at)} maxLength={40} spellcheck={false}
          onInput={(e) => (named.value = { ...named.value, [at]: e.currentTarget.value.trim() || `object ${at}` })}
        />
      </li>
    );
  }
  return (
    <li class={here ? "object here" : "object"}>
      <button type="button" class="pick" aria-pressed={here} title={stands} onClick={() => (slot.value = at)}>
        <Swatch at={at} />
        <span class="name">{object ? object.object : "New object"}</span>
        {object && <span class="stands">{stale(at)}</span>}
      </button>
      {object && here && (
        <button type="button" class="quiet" title={`Take back everything said about ${object.object}`} aria-label={`Remove ${object.object}`} onClick={() => void forget(object.object)}>×</button>
      )}
    </li>
  );
}

function stale(at: number): string {
  const object = objects.value[at];
  if (!object) return "";
  if (object.stale.length) return `${count(object.stale)} stale`;
  if (object.matted.length) return `${count(object.matted)} refined`;
  return object.tracked.length ? `${count(object.tracked)} tracked` : "";
}

function Swatch({ at }: { at: number }) {
  return <span class="swatch" style={{ color: css(at) }}><span aria-hidden="true">{MARKS[at] ?? "●"}</span><kbd>{at < MOST_OBJECTS ? at : ""}</kbd></span>;
}

const TOOLS: readonly (readonly [Tool, string, string])[] = [
  ["click", "Click", "Click the subject; drag a box. Right or Alt-click: not the subject. Hold Shift to see what a click would select."],
  ["brush", "Brush", "Brush the subject. Right or Alt: brush the background."],
  ["erase", "Erase", "Click a point, box or stroke of the active object to take it away."],
  ["outline", "Outline", "Drag a vertex, or the line for a new one; the right button takes one away. Enter or Esc leaves."],
];
const MODES = { hint: "Hint: what belongs to it", paint: "Paint: exactly this", hair: "Hair: refine wider here" } as const;

function Tools() {
  const object = objects.value[slot.value];
  const locked = object !== undefined && within(object.locked, frame.value);
  const help = TOOLS.find(([t]) => t === tool.value)?.[2];
  const tools = TOOLS.filter(([t]) => t !== "outline" || selector.value?.outline);
  return (
    <section aria-labelledby="tool-title">
      <h2 id="tool-title">Tool</h2>
      <div class={`buttons ${tools.length > 3 ? "four" : "three"}`} role="group" aria-label="Tools">
        {tools.map(([t, title]) => <button key={t} type="button" aria-pressed={tool.value === t} title={`${title} (${keyOf(t)})`} onClick={() => (tool.value = t)}>{title}</button>)}
      </div>
      <p class="tip">{help}</p>
      <Methods />
      {tool.value === "brush" && (
        <div class="fields">
          <label>Size <input type="range" min="0.1" max="8" step="0.1" value={brush.value} onInput={(e) => (brush.value = Number(e.currentTarget.value))} /></label>
          <label>Stroke <select value={mode.value} onChange={(e) => (mode.value = e.currentTarget.value as keyof typeof MODES)}>
            {Object.entries(MODES).map(([m, what]) => <option key={m} value={m}>{what}</option>)}
          </select></label>
        </div>
      )}
      <div class="buttons two">
        <button type="button" disabled={!said.value && !pending.value} title={`Take back what was said about ${active.value} on this frame (${keyOf("clear")})`} onClick={() => run("clear")}>Clear frame</button>
        <button type="button" disabled={!object} aria-pressed={locked} title="No pass changes a locked frame" onClick={() => void lock(locked ? "unlock" : "lock", [frame.value, frame.value])}>{locked ? "Unlock frame" : "Lock frame"}</button>
      </div>
    </section>
  );
}

/** How marks become a mask. */
function Methods() {
  return (
    <div class="fields">
      <label title={`The next one: ${keyOf("nextMethod")}`}>Method <select name="method" value={selector.value?.name ?? ""} onChange={(e) => setMethod(e.currentTarget.value)}>
        {capabilities.value?.selectors.map((s) => <option key={s.name} value={s.name}>{s.title}</option>)}
      </select></label>
      <p class="tip">{selector.value?.what}</p>
    </div>
  );
}

/** What makes soft mattes of the masks. */
function Refiners() {
  return (
    <div class="fields">
      <label>Refiner <select name="refiner" value={shot.value?.refiner ?? ""} onChange={(e) => void setRefiner(e.currentTarget.value)}>
        {capabilities.value?.refiners.map((r) => <option key={r.name} value={r.name} disabled={!r.available} title={r.why}>{REFINERS[r.name] ?? r.name}</option>)}
      </select></label>
    </div>
  );
}

const REFINERS: Record<string, string> = {
  closed_form: "Closed-form, on a band", bayesian: "Bayesian, on a band", mam: "Matting Anything", hiera: "hiera, a decoder of your own", none: "None: the mask as it is",
};

function WorkBox() {
  const idle = !jobs.value.length, ready = !!shot.value?.prompts.length;
  const needy = places.value.length;
  const button = (action: Action, text: string, title: string, main = false) => (
    <button type="button" class={main ? "main" : ""} aria-disabled={!ready} title={`${title} (${keyOf(action)})`} onClick={() => run(action)}>{text}</button>
  );
  return (
    <section aria-labelledby="work-title">
      <h2 id="work-title">Track and refine</h2>
      <div class="buttons three">
        {button("trackBack", "◀ Track", "Track backward")}
        {button("trackBoth", "◀ Track ▶", "Track both ways", true)}
        {button("track", "Track ▶", "Track forward")}
      </div>
      <div class="buttons two">
        <button type="button" aria-disabled={!ready} title={`Make soft mattes of the masks (${keyOf("matte")})`} onClick={() => void start("matte")}>Refine mattes</button>
        <button type="button" disabled={idle} title={`Stop after the frame in hand (${keyOf("stop")})`} onClick={() => run("stop")}>Stop</button>
      </div>
      <Refiners />
      <Progress />
      <button type="button" class="wide" disabled={!needy} title={`The next frame that quality control doubts (${keyOf("nextDoubt")})`} onClick={() => run("nextDoubt")}>
        {needy ? `Next frame to check (${needy})` : "No frame to check"}
      </button>
      <p class="tip">{parts()}</p>
    </section>
  );
}

function parts(): string {
  const now = shot.value;
  if (!now) return "";
  const why = now.tracker === capabilities.value?.tracker && capabilities.value.tracker_why ? ` (${capabilities.value.tracker_why})` : "";
  return `Tracker: ${now.tracker}${why}.`;
}
