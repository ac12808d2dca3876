/** The soft layers of the frame: how many, which are chosen, and what becomes of them. */
import { run } from "../actions";
import { FEWEST, layerCount, layered, layerMethod, METHODS, MOST, share, type Method, splitting, toggle, useLayers, writeLayers } from "../layers";
import { css, MARKS } from "../palette";
import { active, shot } from "../state";
import { keyOf } from "./Viewer";

export function LayersBox() {
  return (
    <section aria-labelledby="layers-title">
      <h2 id="layers-title">Layers of this frame</h2>
      {layered.value ? <Chosen /> : <Ask />}
    </section>
  );
}

/** Take a number that can be; another one is still being typed. */
function setCount(typed: number): void {
  if (typed >= FEWEST && typed <= MOST) layerCount.value = Math.round(typed);
}

function Ask() {
  const busy = splitting.value !== null;
  return (
    <>
      <label>Split by <select name="layers-method" value={layerMethod.value} onChange={(e) => (layerMethod.value = e.currentTarget.value as Method)}>
        {Object.entries(METHODS).map(([name, [title]]) => <option key={name} value={name}>{title}</option>)}
      </select></label>
      <p class="tip">{METHODS[layerMethod.value][1]}</p>
      <div class="pair">
        <label class="count">Layers <input
          type="number" aria-label="How many layers" min={FEWEST} max={MOST} value={layerCount.value}
          onInput={(e) => setCount(e.currentTarget.valueAsNumber)}
        /></label>
        <button type="button" disabled={busy || !shot.value} title={`Soft layers without a prompt, of which some may be the subject (${keyOf("layers")})`} onClick={() => run("layers")}>{busy ? "Splitting ..." : "Split frame"}</button>
      </div>
    </>
  );
}

function Chosen() {
  const now = layered.value;
  if (!now) return null;
  return (
    <>
      <p class="tip">Click the layers that are {active.value}; again to leave one out.</p>
      <div class="layers" role="group" aria-label="Layers">
        {now.pictures.map((_, i) => (
          <button key={i} type="button" aria-pressed={now.picked.has(i)} onClick={() => toggle(i)}>
            <span style={{ color: css(i) }} aria-hidden="true">{MARKS[i] ?? "●"}</span> {i + 1} <small>{Math.round(share(i) * 100)} %</small>
          </button>
        ))}
      </div>
      <div class="buttons three">
        <button type="button" class="main" aria-disabled={!now.picked.size} title={`The chosen layers become the mask of ${active.value} (${keyOf("addPoint")})`} onClick={() => void useLayers()}>Use as mask</button>
        <button type="button" title="Write all layers as one EXR beside the shot file" onClick={() => void writeLayers()}>Write EXR</button>
        <button type="button" title={`Leave the layers (${keyOf("stop")})`} onClick={() => run("stop")}>Leave</button>
      </div>
    </>
  );
}
