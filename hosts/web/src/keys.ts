/** One table drives the key bindings and the help. */

export type Action =
  | "back" | "forward" | "back10" | "forward10" | "first" | "last" | "previousPrompt" | "nextPrompt"
  | "play" | "playBack" | "stopPlay" | "playForward" | "in" | "out"
  | "alpha" | "overlay" | "checker" | "colour" | "blur" | "plate" | "wipe" | "onion" | "together"
  | "click" | "brush" | "erase" | "fit" | "zoomIn" | "zoomOut" | "addPoint" | "addBackground"
  | "track" | "trackBack" | "trackBoth" | "matte" | "stop" | "undo" | "redo" | "clear" | "nextDoubt" | "export" | "help"
  | "object0" | "object1" | "object2" | "object3" | "object4" | "object5" | "object6" | "object7" | "object8" | "object9";

export interface Key {
  readonly keys: readonly string[];
  readonly action: Action;
  readonly help: string;
  readonly group: "Frames" | "Views" | "Picture" | "Work";
}

const objects: Key[] = Array.from({ length: 10 }, (_, i) => ({
  keys: [`${i}`], action: `object${i}` as Action, help: `Object ${i}`, group: "Work",
}));

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
  { keys: ["+", "="], action: "zoomIn", help: "Zoom in", group: "Picture" },
  { keys: ["-"], action: "zoomOut", help: "Zoom out", group: "Picture" },
  { keys: ["v"], action: "click", help: "Click points and drag boxes", group: "Picture" },
  { keys: ["s"], action: "brush", help: "Brush strokes on the subject", group: "Picture" },
  { keys: ["e"], action: "erase", help: "Brush strokes on the background", group: "Picture" },
  { keys: ["Enter"], action: "addPoint", help: "Point on the subject at the cross", group: "Picture" },
  { keys: ["Shift+Enter"], action: "addBackground", help: "Point on the background at the cross", group: "Picture" },
  { keys: ["Ctrl+t"], action: "track", help: "Track forward", group: "Work" },
  { keys: ["Ctrl+Shift+t"], action: "trackBack", help: "Track backward", group: "Work" },
  { keys: ["t"], action: "trackBoth", help: "Track both ways", group: "Work" },
  { keys: ["r"], action: "matte", help: "Refine mattes", group: "Work" },
  { keys: ["Escape"], action: "stop", help: "Stop the work, or leave a dialog", group: "Work" },
  { keys: ["Ctrl+z"], action: "undo", help: "Undo", group: "Work" },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], action: "redo", help: "Redo", group: "Work" },
  { keys: ["Delete", "Backspace"], action: "clear", help: "Take back the prompt on this frame", group: "Work" },
  { keys: ["x"], action: "export", help: "Export", group: "Work" },
  { keys: ["F1", "?"], action: "help", help: "This help", group: "Work" },
  ...objects,
];

/** Name of a key press as the table writes it, or "" for a modifier alone. */
export function named(event: KeyboardEvent): string {
  if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return "";
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const ctrl = event.ctrlKey || event.metaKey;
  const shift = event.shiftKey && (ctrl || event.key.length > 1);
  return `${ctrl ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

const BY_KEY = new Map(KEYS.flatMap((k) => k.keys.map((name) => [name, k.action] as const)));

export function actionOf(event: KeyboardEvent): Action | null {
  return BY_KEY.get(named(event)) ?? null;
}
