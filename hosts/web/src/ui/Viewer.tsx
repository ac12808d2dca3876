/** The picture, with everything on top of it. */
import { useEffect, useRef } from "preact/hooks";
import { VIEWS, type View } from "../gl/shader";
import { run } from "../actions";
import { KEYS, type Action } from "../keys";
import { layered } from "../layers";
import { lacks, pending } from "../marks";
import { outline } from "../outline";
import { Pointer } from "../pointer";
import {
  active, backdrop, busy, displayed, frame, lens, objects, onion, said as saidHere, selector, shot, shown, slot, together, tool, unseen, view, wipe,
  zoom, type Alpha,
} from "../state";
import { canvasSize, placement, Screen } from "../view";
import { Marks } from "./Marks";

const TITLES: Record<View, string> = {
  plate: "Plate", overlay: "Overlay", alpha: "Alpha", checker: "Checker", colour: "Colour", blur: "Blur",
};

/** The first key of an action, for tips. */
export function keyOf(action: Action): string {
  return KEYS.find((k) => k.action === action)?.keys[0] ?? "";
}

export function Viewer() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const screen = new Screen(element);
    new Pointer(element, screen);
    const size = new ResizeObserver(() => {
      const { width, height } = element.getBoundingClientRect();
      canvasSize.value = [width, height].map((v) => Math.max(1, Math.round(v * devicePixelRatio))) as [number, number];
    });
    size.observe(element);
    return () => {
      size.disconnect();
      screen.close();
    };
  }, []);
  return (
    <section class="viewer" aria-label="Picture">
      <ViewBar />
      <div class="stage">
        <canvas
          ref={canvas} id="picture" tabIndex={0} role="img"
          aria-label={`Frame ${displayed.value ?? frame.value}, ${TITLES[view.value]}, ${said(shown.value[slot.value])}`}
        />
        <Marks />
        {unseen.value && <p class="unseen" role="alert">{unseen.value}</p>}
        {hint() && <p class="hint">{hint()}</p>}
      </div>
    </section>
  );
}

function ViewBar() {
  const all = objects.value.length > 1;
  return (
    <div class="bar viewbar" role="toolbar" aria-label="Views">
      {VIEWS.map((v) => (
        <button key={v} type="button" aria-pressed={view.value === v} title={`${TITLES[v]} (${keyOf(v)})`} onClick={() => (view.value = v)}>{TITLES[v]}</button>
      ))}
      <span class="rule" />
      <button type="button" aria-pressed={wipe.value !== null} title={`Plate on the left of a line (${keyOf("wipe")})`} onClick={() => run("wipe")}>Wipe</button>
      <button type="button" aria-pressed={onion.value} title={`Outlines of the frames before (blue) and after (orange) (${keyOf("onion")})`} onClick={() => run("onion")}>Onion</button>
      <button type="button" aria-pressed={together.value} hidden={!all} title={`All objects, or ${active.value} alone (${keyOf("together")})`} onClick={() => run("together")}>All objects</button>
      {view.value === "colour" && <label>Back <input type="color" value={backdrop.value} onInput={(e) => (backdrop.value = e.currentTarget.value)} /></label>}
      {view.value === "blur" && <label>Lens <input type="range" min="0.2" max="8" step="0.1" value={lens.value} onInput={(e) => (lens.value = Number(e.currentTarget.value))} /></label>}
      {wipe.value !== null && <label>Line <input type="range" min="0" max="1" step="0.01" value={wipe.value} onInput={(e) => (wipe.value = Number(e.currentTarget.value))} /></label>}
      <span class="space" />
      <span class="alpha-kind" data-kind={shown.value[slot.value]?.kind ?? "none"}>{busy.value ? "working ..." : layered.value ? "layers" : said(shown.value[slot.value])}</span>
      <button type="button" title={`Zoom out (${keyOf("zoomOut")})`} onClick={() => run("zoomOut")}>−</button>
      <button type="button" class="percent" title={`One pixel to one (${keyOf("actual")})`} onClick={() => run("actual")}>{Math.round(placement.value.scale * 100)} %</button>
      <button type="button" title={`Zoom in (${keyOf("zoomIn")})`} onClick={() => run("zoomIn")}>+</button>
      <button type="button" aria-pressed={zoom.value === null} title={`Fit to the window (${keyOf("fit")})`} onClick={() => run("fit")}>Fit</button>
    </div>
  );
}

/** What to do next, where the artist may not know. */
function hint(): string {
  const waiting = pending.value;
  if (layered.value) return "";
  if (waiting?.frame === frame.value && waiting.object === active.value) {
    const side = lacks(selector.value, saidHere.value, waiting.marks);
    if (side === "background") return `${selector.value?.title} needs the background as well: mark it with the right button.`;
    if (side === "subject") return `${selector.value?.title} needs the subject as well: mark it with the left button.`;
  }
  if (tool.value === "outline" && !outline.value.length) return "There is no outline here yet: brush the subject and the background first.";
  if (!shot.value || shot.value.prompts.length || waiting) return "";
  if (selector.value?.needs === "both") return "Brush the subject, then with the right button the background.";
  return "Click on the subject, or drag a box around it. The right button marks what is not the subject.";
}

/** What alpha is on the picture, in words. */
function said(alpha: Alpha | undefined): string {
  if (!alpha || alpha.kind === "none") return "no mask here yet";
  if (alpha.kind === "selection") return "selection, not tracked yet";
  return `${alpha.kind}${alpha.stale ? ", stale" : alpha.kind === "mask" ? ", not refined yet" : ""}`;
}
