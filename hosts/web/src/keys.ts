/** One table drives the key bindings and the help. */

export type Action =
  | "back" | "forward" | "back10" | "forward10" | "first" | "last" | "previousPrompt" | "nextPrompt"
  | "play" | "playBack" | "stopPlay" | "playForward" | "in" | "out"
  | "alpha" | "overlay" | "checker" | "colour" | "blur" | "plate" | "wipe" | "onion" | "together"
  | "click" | "brush" | "erase" | "outline" | "nextMethod" | "layers" | "fit" | "actual" | "zoomIn" | "zoomOut" | "addPoint" | "addBackground"
  | "crossLeft" | "crossRight" | "crossUp" | "crossDown" | "crossLeftFar" | "crossRightFar" | "crossUpFar" | "crossDownFar"
  | "track" | "trackBack" | "trackBoth" | "matte" | "stop" | "undo" | "redo" | "clear" | "nextDoubt" | "export" | "help"
  | "object0" | "object1" | "object2" | "object3" | "object4" | "object5" | "object6" | "object7" | "object8" | "object9";

export interface Key {
  readonly keys: readonly string[];
  readonly action: Action;
  readonly help: string;
  readonly group: "Frames" | "Views" | "Picture" | "Work";
}

const objects: Key[] = Array.from({ length: 10 }, (_, i) => ({
  keys: [`${i}`], action: `object${i}` as Action, help: "Object 0 to 9", group: "Work",
}));

const moves: Key[] = (["Left", "Right", "Up", "Down"] as const).flatMap((way): Key[] => [
  { keys: [`Alt+Arrow${way}`], action: `cross${way}`, help: "Move the cross", group: "Picture" },
  { keys: [`Alt+Shift+Arrow${way}`], action: `cross${way}Far`, help: "Move the cross ten times as far", group: "Picture" },
]);

export const KEYS: readonly Key[] = [
  { keys: ["ArrowLeft", ","], action: "back", help: "One frame back", group: "Frames" },
  { keys: ["ArrowRight", "."], action: "forward", help: "One frame on", group: "Frames" },
  { keys: ["Shift+ArrowLeft"], action: "back10", help: "Ten frames back", group: "Frames" },
  { keys: ["Shift+ArrowRight"], action: "forward10", help: "Ten frames on", group: "Frames" },
  { keys: ["Home"], action: "first", help: "First frame", group: "Frames" },
  { keys: ["End"], action: "last", help: "Last frame", group: "Frames" },
  { keys: ["PageUp"], action: "previousPrompt", help: "Prompted frame before", group: "Frames" },
  { keys: ["PageDown"], action: "nextPrompt", help: "Prompted frame after", group: "Frames" },
  { keys: ["Space"], action: "play", help: "Play or stop", group: "Frames" },
  { keys: ["j"], action: "playBack", help: "Play backward", group: "Frames" },
  { keys: ["k"], action: "stopPlay", help: "Stop", group: "Frames" },
  { keys: ["l"], action: "playForward", help: "Play forward", group: "Frames" },
  { keys: ["["], action: "in", help: "In point here", group: "Frames" },
  { keys: ["]"], action: "out", help: "Out point here", group: "Frames" },
  { keys: ["n"], action: "nextDoubt", help: "Next frame to check", group: "Frames" },
  { keys: ["a"], action: "alpha", help: "Alpha", group: "Views" },
  { keys: ["m"], action: "overlay", help: "Overlay", group: "Views" },
  { keys: ["c"], action: "checker", help: "Cut-out over a checkerboard", group: "Views" },
  { keys: ["b"], action: "colour", help: "Cut-out over a colour", group: "Views" },
  { keys: ["d"], action: "blur", help: "Blurred background", group: "Views" },
  { keys: ["p"], action: "plate", help: "Plate", group: "Views" },
  { keys: ["w"], action: "wipe", help: "Wipe between plate and view", group: "Views" },
  { keys: ["o"], action: "onion", help: "Outlines of the neighbour frames", group: "Views" },
  { keys: ["u"], action: "together", help: "All objects, or the active one", group: "Views" },
  { keys: ["f"], action: "fit", help: "Fit to the window", group: "Picture" },
  { keys: ["z"], action: "actual", help: "One pixel of the plate to one of the screen", group: "Picture" },
  { keys: ["+", "="], action: "zoomIn", help: "Zoom in", group: "Picture" },
  { keys: ["-"], action: "zoomOut", help: "Zoom out", group: "Picture" },
  { keys: ["v"], action: "click", help: "Click points and drag boxes", group: "Picture" },
  { keys: ["s"], action: "brush", help: "Brush strokes; the right button brushes background", group: "Picture" },
  { keys: ["e"], action: "erase", help: "Click marks to take them away", group: "Picture" },
  { keys: ["q"], action: "outline", help: "Drag the vertices of Lazy Snapping's outline", group: "Picture" },
  { keys: ["i"], action: "nextMethod", help: "Next method of selecting", group: "Picture" },
  { keys: ["y"], action: "layers", help: "Split this frame into soft layers", group: "Picture" },
  ...moves,
  { keys: ["Enter"], action: "addPoint", help: "Point on the subject at the cross; take the chosen layers; leave the outline", group: "Picture" },
  { keys: ["Shift+Enter"], action: "addBackground", help: "Point on the background at the cross", group: "Picture" },
  { keys: ["t", "Ctrl+t"], action: "track", help: "Track forward", group: "Work" },
  { keys: ["Shift+t", "Ctrl+Shift+t"], action: "trackBack", help: "Track backward", group: "Work" },
  { keys: ["g"], action: "trackBoth", help: "Track both ways", group: "Work" },
  { keys: ["r"], action: "matte", help: "Refine mattes", group: "Work" },
  { keys: ["Escape"], action: "stop", help: "Leave a dialog, the layers or the outline; else stop the work", group: "Work" },
  { keys: ["Ctrl+z"], action: "undo", help: "Undo", group: "Work" },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], action: "redo", help: "Redo", group: "Work" },
  { keys: ["Delete", "Backspace"], action: "clear", help: "Take back what was said about the object on this frame", group: "Work" },
  { keys: ["x"], action: "export", help: "Export", group: "Work" },
  { keys: ["F1", "?"], action: "help", help: "This help", group: "Work" },
  ...objects,
];

/** The table as people read it: actions of one meaning share a line. */
export function lines(group: Key["group"]): { readonly help: string; readonly keys: readonly string[] }[] {
  const found = new Map<string, string[]>();
  for (const k of KEYS) if (k.group === group) found.set(k.help, [...(found.get(k.help) ?? []), ...k.keys]);
  return [...found].map(([help, keys]) => ({ help, keys }));
}

/** Name of a key press as the table writes it, or "" for a modifier alone. */
export function named(event: KeyboardEvent): string {
  if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return "";
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const ctrl = event.ctrlKey || event.metaKey;
  // Where a key of signs needs Shift, such as ?, is the keyboard's affair.
  const shift = event.shiftKey && (key.length > 1 || /^\p{L}$/u.test(key));
  return `${ctrl ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

const BY_KEY = new Map(KEYS.flatMap((k) => k.keys.map((name) => [name, k.action] as const)));

export function actionOf(event: KeyboardEvent): Action | null {
  return BY_KEY.get(named(event)) ?? null;
}
