/** What was said on this frame, drawn over the picture; nothing here takes the pointer. */
import { unit } from "../numbers";
import { MARKS, css } from "../palette";
import { draft, pointer } from "../pointer";
import { brush, cross, frame, objects, shot, slot, tool } from "../state";
import { canvasSize, placement } from "../view";
import type { Said } from "../words";

type Put = (x: number, y: number) => [number, number];

export function Marks() {
  const clip = shot.value?.clip;
  if (!clip) return null;
  const ratio = devicePixelRatio;
  const { x, y, scale } = placement.value;
  const put: Put = (px, py) => [(px * clip.width * scale + x) / ratio, (py * clip.height * scale + y) / ratio];
  const wide = (clip.width * scale) / ratio;
  const here = shot.value?.prompts.filter((p) => p.frame === frame.value) ?? [];
  const [w, h] = canvasSize.value;
  return (
    <svg class="marks" viewBox={`0 0 ${w / ratio} ${h / ratio}`} aria-hidden="true">
      {here.map((said) => <Saying key={said.object} said={said} put={put} wide={wide} />)}
      <Drawn put={put} wide={wide} />
      {cross.value && <Cross at={put(...cross.value)} />}
      {tool.value === "brush" && pointer.value && <Brush at={put(...pointer.value)} radius={(brush.value / 100) * wide} />}
    </svg>
  );
}

function Saying({ said, put, wide }: { said: Said; put: Put; wide: number }) {
  const at = objects.value.findIndex((o) => o.object === said.object);
  const colour = css(Math.max(0, at));
  return (
    <g class={at === slot.value ? "said" : "said other"} data-object={said.object}>
      {said.box && <Frame from={put(said.box[0], said.box[1])} to={put(said.box[2], said.box[3])} colour={colour} />}
      {said.scribbles.map((s, i) => (
        <Stroke key={i} points={s.points.map((p) => put(...p))} label={s.label} radius={s.radius * wide} colour={colour} />
      ))}
      {said.points.map(([px, py, label], i) => <Point key={i} at={put(px, py)} label={label} colour={colour} mark={MARKS[at] ?? ""} />)}
    </g>
  );
}

function Point({ at: [x, y], label, colour, mark }: { at: [number, number]; label: 0 | 1; colour: string; mark: string }) {
  return (
    <g class={label ? "point" : "point not"} data-mark={mark} transform={`translate(${x} ${y}) scale(${unit()})`}>
      <circle r="8" fill={label ? colour : "#111"} stroke={label ? "#111" : colour} stroke-width="2.5" />
      <path d={`M-4 0h8${label ? "M0 -4v8" : ""}`} stroke={label ? "#111" : "#fff"} stroke-width="2.5" />
    </g>
  );
}

function Frame({ from, to, colour }: { from: [number, number]; to: [number, number]; colour: string }) {
  const [x, y] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
  const size = { x, y, width: Math.abs(to[0] - from[0]), height: Math.abs(to[1] - from[1]), fill: "none" };
  return (
    <g class="box">
      <rect {...size} stroke="#111" stroke-width="3.5" />
      <rect {...size} stroke={colour} stroke-width="1.5" stroke-dasharray="7 4" />
    </g>
  );
}

function Stroke({ points, label, radius, colour }: { points: [number, number][]; label: 0 | 1; radius: number; colour: string }) {
  const line = points.length > 1 ? points : [...points, ...points];
  const path = `M${line.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
  const wide = Math.max(2, radius * 2);
  return (
    <g class="stroke" fill="none" stroke-linecap="round" stroke-linejoin="round">
      <path d={path} stroke={label ? colour : "#111"} stroke-width={wide} opacity="0.55" />
      <path d={path} stroke={label ? "#111" : "#fff"} stroke-width="1.5" stroke-dasharray={label ? "none" : "5 4"} />
    </g>
  );
}

function Drawn({ put, wide }: { put: Put; wide: number }) {
  const now = draft.value;
  const colour = css(slot.value);
  if (now?.kind === "box") return <Frame from={put(...now.from)} to={put(...now.to)} colour={colour} />;
  if (now?.kind !== "stroke") return null;
  return <Stroke points={now.points.map((p) => put(...p))} label={now.label} radius={(brush.value / 100) * wide} colour={colour} />;
}

function Brush({ at: [x, y], radius }: { at: [number, number]; radius: number }) {
  return (
    <g fill="none">
      <circle cx={x} cy={y} r={radius} stroke="#111" stroke-width="3" />
      <circle cx={x} cy={y} r={radius} stroke="#fff" stroke-width="1" />
    </g>
  );
}

function Cross({ at: [x, y] }: { at: [number, number] }) {
  const path = "M-14 0h10M4 0h10M0 -14v10M0 4v10";
  return (
    <g class="cross" transform={`translate(${x} ${y}) scale(${unit()})`}>
      <path d={path} stroke="#111" stroke-width="4" />
      <path d={path} stroke="#fff" stroke-width="1.5" />
    </g>
  );
}
