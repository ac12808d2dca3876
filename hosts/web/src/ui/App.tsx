/** The page. */
import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { run } from "../actions";
import { keepMethod } from "../edits";
import { actionOf, type Action } from "../keys";
import { duration } from "../numbers";
import { pending } from "../marks";
import { keepOutline } from "../outline";
import { player } from "../play";
import { begin } from "../session";
import { dialog, frame, remember, shot, speed, trouble } from "../state";
import { ExportDialog } from "./ExportDialog";
import { Help } from "./Help";
import { Panel } from "./Panel";
import { Timeline } from "./Timeline";
import { Toasts } from "./Toasts";
import { keyOf, Viewer } from "./Viewer";

export function App() {
  useEffect(player, []);
  useEffect(keepMethod, []);
  useEffect(keepOutline, []);
  useSignalEffect(remember);
  useEffect(() => {
    addEventListener("keydown", pressed);
    addEventListener("pagehide", remember);  // effects wait for the next picture, which a page that closes never draws
    return () => {
      removeEventListener("keydown", pressed);
      removeEventListener("pagehide", remember);
    };
  }, []);
  return (
    <>
      <Top />
      <Banner />
      <main>
        <Viewer />
        <Panel />
      </main>
      <Transport />
      <Timeline />
      <ExportDialog />
      <Help />
      <Toasts />
    </>
  );
}

/** Do what the table says; what is being typed, and buttons that have the focus, come first. */
function pressed(event: KeyboardEvent): void {
  const action = actionOf(event);
  if (!action || event.defaultPrevented) return;
  if (dialog.value) {
    if (event.key !== "Escape" && !(action === "help" && dialog.value === "help")) return;
    event.preventDefault();
    dialog.value = null;
    return;
  }
  const target = event.target as HTMLElement;
  const typing = target.matches("textarea, select, input:not([type=checkbox], [type=color])");
  if (typing && action !== "help") return;
  if (["Enter", " "].includes(event.key) && target.matches("button, a, input, summary")) return;
  event.preventDefault();
  run(action);
}

function Top() {
  const clip = shot.value?.clip;
  const name = clip?.path.split(/[\\/]/).at(-1) ?? "";
  const rate = clip ? clip.rate[0] / clip.rate[1] : 0;
  return (
    <header class="top bar">
      <strong class="brand">Trackmatte</strong>
      {clip && (
        <>
          <span class="clip" title={clip.path}>{name}</span>
          <span class="facts">{clip.width} × {clip.height}, {Number(rate.toFixed(3))} fps, {clip.length} frame{clip.length === 1 ? "" : "s"}{rate ? `, ${duration(clip.length / rate)}` : ""}{clip.timecode ? `, ${clip.timecode}` : ""}</span>
          {clip.notes.length > 0 && <details class="notes"><summary>{clip.notes.length} note{clip.notes.length === 1 ? "" : "s"}</summary><ul>{clip.notes.map((n) => <li key={n}>{n}</li>)}</ul></details>}
        </>
      )}
      <span class="space" />
      <button type="button" disabled={!shot.value?.can_undo && !pending.value} title={`Undo (${keyOf("undo")})`} onClick={() => run("undo")}>Undo</button>
      <button type="button" disabled={!shot.value?.can_redo} title={`Redo (${keyOf("redo")})`} onClick={() => run("redo")}>Redo</button>
      <button type="button" class="main" disabled={!shot.value} title={`Export (${keyOf("export")})`} onClick={() => run("export")}>Export ...</button>
      <button type="button" title="Keys (F1)" onClick={() => run("help")}>Help</button>
    </header>
  );
}

function Banner() {
  const now = trouble.value;
  if (!now) return null;
  return (
    <div class="banner" role="alert">
      <div><strong>{now.title}</strong><p>{now.text}</p></div>
      {now.retry && <button type="button" class="main" onClick={() => void begin()}>Try again</button>}
    </div>
  );
}

/** Outlines of the buttons, on 20 x 16: drawn, because fonts lack some. */
const SIGNS = {
  first: "M3 2h2.5v12H3zM17 2v12L7 8z", last: "M14.5 2h2.5v12h-2.5zM3 2v12l10-6z",
  before: "M5 4l4 4-4 4-4-4zM19 2v12L9 8z", after: "M15 4l4 4-4 4-4-4zM1 2v12l10-6z",
  back: "M13 3v10L6 8z", on: "M7 3v10l7-5z", play: "M4 1v14l13-7z", stop: "M4 2h4.5v12H4zM11.5 2H16v12h-4.5z",
} as const;

function Transport() {
  const now = shot.value;
  if (!now) return null;
  const at = frame.value;
  const button = (action: Action, sign: keyof typeof SIGNS, title: string) => (
    <button type="button" title={`${title} (${keyOf(action)})`} aria-label={title} onClick={() => run(action)}>
      <svg viewBox="0 0 20 16" class="sign" aria-hidden="true"><path d={SIGNS[sign]} fill="currentColor" /></svg>
    </button>
  );
  const end = (action: Action, text: string, title: string) => (
    <button type="button" title={`${title} (${keyOf(action)})`} aria-label={title} onClick={() => run(action)}>{text}</button>
  );
  return (
    <div class="bar transport" role="toolbar" aria-label="Transport">
      {button("first", "first", "First frame")}
      {button("previousPrompt", "before", "Prompted frame before")}
      {button("back", "back", "One frame back")}
      {button("play", speed.value ? "stop" : "play", speed.value ? "Stop" : "Play")}
      {button("forward", "on", "One frame on")}
      {button("nextPrompt", "after", "Prompted frame after")}
      {button("last", "last", "Last frame")}
      <output class="frame" aria-label="Current frame">{at}</output>
      <span class="facts">{timecode(at)}</span>
      <span class="space" />
      {end("in", "[ In", "In point here")}
      <span class="facts range">{now.range[0]} – {now.range[1]}</span>
      {end("out", "Out ]", "Out point here")}
      <Legend />
    </div>
  );
}

function Legend() {
  return (
    <span class="legend" aria-hidden="true">
      <span class="prompted">◆ prompt</span><span class="tracked">tracked</span><span class="matted">refined</span><span class="stale">stale</span><span class="doubt">in doubt</span>
    </span>
  );
}

/** Minutes, seconds and frames from the clip's start. */
function timecode(at: number): string {
  const clip = shot.value?.clip;
  const rate = clip ? clip.rate[0] / clip.rate[1] : 0;
  if (!clip || !rate) return "";
  const n = at - clip.first, whole = Math.floor(n / rate);
  const two = (v: number) => String(Math.floor(v)).padStart(2, "0");
  return `${whole >= 3600 ? `${two(whole / 3600)}:` : ""}${two((whole / 60) % 60)}:${two(whole % 60)}+${two(Math.round(n - Math.ceil(whole * rate)))}`;
}
