/** What to deliver, where, and what the files will be called. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { deliver } from "../actions";
import { Refused } from "../api";
import { setRange } from "../edits";
import { count, written } from "../numbers";
import { report } from "../session";
import { capabilities, dialog, engine, folder, objects, remember, shot } from "../state";
import type { ExportFrames, ExportPlan } from "../words";
import { Dialog } from "./Dialog";

const FORMATS: Record<string, string> = {
  exr: "EXR sequence", png: "PNG sequence, 16 bit", prores: "ProRes 4444 movie", ffv1: "FFV1 movie, lossless", vp9: "VP9 movie with alpha",
};

export function ExportDialog() {
  return <Dialog name="export" title="Export">{dialog.value === "export" && shot.value && <Form />}</Dialog>;
}

/** Beside the shot file. */
function usual(): string {
  return (shot.value?.path ?? "").replace(/\.shot\.json$/, "_mattes");
}

function Form() {
  const preset = useSignal("matte"), format = useSignal("exr"), overwrite = useSignal(false), prepare = useSignal(true);
  const to = useSignal(folder.value || usual());
  const plan = useSignal<ExportPlan | null>(null), problem = useSignal("");
  const request = (): ExportFrames => ({ folder: to.value, preset: preset.value, format: format.value, overwrite: overwrite.value });

  useSignalEffect(() => {
    const now = shot.value, asked = request();
    if (!now) return;
    let late = false;
    const timer = setTimeout(async () => {
      try {
        const found = await engine.ask("export_plan", { shot: now.shot }, asked);
        if (!late) [plan.value, problem.value] = [found, ""];
      } catch (e) {
        if (late) return;
        if (e instanceof Refused) [plan.value, problem.value] = [null, e.message];
        else report(e);
      }
    }, 150);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  });

  const now = shot.value;
  if (!now) return null;
  const [first, last] = now.range;
  const missing = lacking();
  const taken = plan.value?.parts.reduce((sum, p) => sum + p.exist, 0) ?? 0;
  const nothing = !now.prompts.length;
  const submit = async (e: Event) => {
    e.preventDefault();
    try {
      await deliver(request(), prepare.value);
      folder.value = to.value;
      remember();
      dialog.value = null;
    } catch (e) {
      if (e instanceof Refused) problem.value = e.message;
      else report(e);
    }
  };
  const limit = (which: 0 | 1, value: number) => {
    const range: [number, number] = which ? [first, Math.max(first, value)] : [Math.min(value, last), last];
    if (Number.isFinite(value)) void setRange(range);
  };
  return (
    <form class="export" onSubmit={(e) => void submit(e)}>
      <label>What <select name="preset" autofocus value={preset.value} onChange={(e) => (preset.value = e.currentTarget.value)}>
        {capabilities.value?.presets.map((p) => <option key={p.name} value={p.name}>{p.name}: {p.what}</option>)}
      </select></label>
      <label>As <select name="format" value={format.value} onChange={(e) => (format.value = e.currentTarget.value)}>
        {capabilities.value?.formats.map((f) => <option key={f} value={f}>{FORMATS[f] ?? f}</option>)}
      </select></label>
      <div class="pair">
        <label>In <input type="number" name="in" min={now.clip.first} max={last} value={first} onChange={(e) => limit(0, e.currentTarget.valueAsNumber)} /></label>
        <label>Out <input type="number" name="out" min={first} max={now.clip.last} value={last} onChange={(e) => limit(1, e.currentTarget.valueAsNumber)} /></label>
      </div>
      <label>Into the folder <input type="text" value={to.value} spellcheck={false} onInput={(e) => (to.value = e.currentTarget.value)} /></label>
      <label class="check"><input type="checkbox" checked={overwrite.value} onChange={(e) => (overwrite.value = e.currentTarget.checked)} /> Replace files that are there</label>
      <label class="check"><input type="checkbox" checked={prepare.value} onChange={(e) => (prepare.value = e.currentTarget.checked)} /> Track and refine first what is missing or stale{missing ? ` (${missing} frames)` : " (nothing)"}</label>
      <Planned plan={plan.value} />
      {problem.value && <p class="bad" role="alert">{problem.value}</p>}
      {!problem.value && taken > 0 && !overwrite.value && <p class="warn">{taken} of these files are there already: those that hold the same stay, and at any other the export stops.</p>}
      {nothing && <p class="warn">Nothing is selected yet: click on the subject first.</p>}
      <footer>
        <button type="button" onClick={() => (dialog.value = null)}>Cancel</button>
        <button type="submit" class="main" disabled={nothing || plan.value === null}>Export</button>
      </footer>
    </form>
  );
}

function Planned({ plan }: { plan: ExportPlan | null }) {
  if (!plan) return <p class="names" />;
  return (
    <ul class="names" aria-label="Files">
      {plan.parts.map((p) => <li key={p.target}><code>{p.target}</code> <span>{count(p.frames)} frames: {written(p.frames)}</span></li>)}
    </ul>
  );
}

/** Frames between in and out that some object has no up-to-date matte on. */
function lacking(): number {
  const now = shot.value;
  if (!now) return 0;
  const all = now.range[1] - now.range[0] + 1 - count(now.clip.missing.filter(([a, b]) => a >= now.range[0] && b <= now.range[1]));
  return Math.max(0, ...objects.value.map((o) => all - count(o.matted)));
}
