/** What was said on this frame, drawn over the picture; nothing here takes the pointer. */
import { unit } from "../numbers";
import { MARKS, css } from "../palette";
import { draft, pointer } from "../pointer";
import { joined, pending } from "../marks";
import { outline } from "../outline";
import { active, brush, cross, frame, objects, shot, slot, tool } from "../state";
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
  const waiting = pending.value?.frame === frame.value && pending.value.object === active.value ? asSaid(pending.value.object, frame.value) : null;
  return (
    <svg class="marks" viewBox={`0 0 ${w / ratio} ${h / ratio}`} aria-hidden="true">
      {here.map((said) => <Saying key={said.object} said={said} put={put} wide={wide} />)}
      {waiting && <Saying said={waiting} put={put} wide={wide} />}
      {tool.value === "outline" && outline.value.map((p, i) => <Outline key={i} points={p.map((v) => put(...v))} />)}
      <Drawn put={put} wide={wide} />
      {cross.value && <Cross at={put(...cross.value)} />}
      {tool.value === "brush" && pointer.value && <Brush at={put(...pointer.value)} radius={(brush.value / 100) * wide} />}
    </svg>
  );
}

/** Marks that wait for their other side, as if they were said. */
function asSaid(object: string, number: number): Said {
  const { points = [], scribbles = [], box = null } = joined(pending.value?.marks ?? []);
  const strokes = scribbles.map(({ label = 1, radius = 0.005, mode = "hint" as const, points }) => ({ points, label, radius, mode }));
  return { object, frame: number, points, box, scribbles: strokes, mask: false, select: null, polygons: [] };
}

function Outline({ points }: { points: readonly [number, number][] }) {
  const path = `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
  const side = 5 * unit();
  return (
    <g class="outline" fill="none">
      <path d={path} stroke="#111" stroke-width="3" />
      <path d={path} stroke="#fff" stroke-width="1.2" />
      {points.map(([x, y], i) => <rect key={i} x={x - side / 2} y={y - side / 2} width={side} height={side} fill={css(slot.value)} stroke="#111" />)}
    </g>
  );
}

function Saying({ said, put, wide }: { said: Said; put: Put; wide: number }) {
  const known = objects.value.findIndex((o) => o.object === said.object), at = known < 0 ? slot.value : known;
  const colour = css(at);
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
