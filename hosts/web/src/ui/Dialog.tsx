/** A dialog of the browser's own: it holds the focus, and Esc closes it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { dialog } from "../state";

export function Dialog({ name, title, children }: { name: "help" | "export"; title: string; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const open = dialog.value === name;
  useEffect(() => {
    if (open) element.current?.showModal();
    else element.current?.close();
  }, [open]);
  return (
    <dialog ref={element} id={name} aria-labelledby={`${name}-title`} onClose={() => { if (dialog.value === name) dialog.value = null; }}>
      {open && (
        <>
          <header>
            <h2 id={`${name}-title`}>{title}</h2>
            <button type="button" class="quiet" aria-label="Close" onClick={() => (dialog.value = null)}>×</button>
          </header>
          {children}
        </>
      )}
    </dialog>
  );
}
