/** Short messages; errors stay until they are closed. */
import { dismiss, notes } from "../state";

export function Toasts() {
  const of = (kind: "info" | "error") => notes.value.filter((n) => n.kind === kind).map((n) => (
    <div key={n.id} class={`toast ${kind}`}>
      <span>{kind === "error" ? "⚠ " : ""}{n.text}</span>
      <button type="button" class="quiet" aria-label="Close this message" onClick={() => dismiss(n.id)}>×</button>
    </div>
  ));
  return (
    <div class="toasts">
      <div role="status" aria-live="polite">{of("info")}</div>
      <div role="alert">{of("error")}</div>
    </div>
  );
}
