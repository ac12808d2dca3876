/** Every key, from the table that also binds them. */
import { lines, type Key } from "../keys";
import { Dialog } from "./Dialog";

const GROUPS: readonly Key["group"][] = ["Frames", "Views", "Picture", "Work"];
const SIGNS: Record<string, string> = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", PageUp: "PgUp", PageDown: "PgDn", Delete: "Del" };
const POINTER: readonly (readonly [string, string])[] = [
  ["Click", "Point on the subject"], ["Right or Alt-click", "Point on the background"], ["Drag", "Box, or brush stroke"],
  ["Shift + move", "See what a click would select"], ["Wheel", "Zoom, in picture and timeline"], ["Middle or Ctrl-drag", "Move the picture"],
];

/** A key as people write it. */
export function shownKey(name: string): string {
  return name.split(/(?<=.)\+/).map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" ");
}

export function Help() {
  return (
    <Dialog name="help" title="Keys">
      <div class="keys">
        <section>
          <h3>Pointer</h3>
          <dl>{POINTER.map(([what, means]) => <div key={what}><dt>{what}</dt><dd>{means}</dd></div>)}</dl>
        </section>
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {lines(group).map((k) => (
                <div key={k.help}><dt>{k.keys.map((name) => <kbd key={name}>{shownKey(name)}</kbd>)}</dt><dd>{k.help}</dd></div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="tip">Browsers keep Ctrl T for a new tab: T does the same here.</p>
    </Dialog>
  );
}
