/** Shows what would be selected while marks are being made: one question at a time, and only the newest waits. */
import { aborted, Refused } from "./api";
import { chosen } from "./edits";
import { preview } from "./frames";
import { joined, lacks, pending, type Marks } from "./marks";
import { report } from "./session";
import { active, frame, said, selector, VIEWER } from "./state";
import type { Screen } from "./view";

const WIDTH = 480;

export class Hover {
  readonly #screen: Screen;
  /** Whether an answer is wanted, and whether a question is on its way. */
  #over = false;
  #asking = false;
  #next: (() => void) | null = null;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Show what marks would select on top of what was said. */
  show(what: Marks): void {
    const here = pending.value?.frame === frame.value && pending.value.object === active.value ? pending.value.marks : [];
    const marks = [...here, what];
    if (lacks(selector.value, said.value, marks)) return;
    this.#over = true;
    const ask = () => void this.#ask(joined(marks));
    if (this.#asking) this.#next = ask;
    else ask();
  }

  hide(): void {
    if (!this.#over) return;
    this.#over = false;
    this.#next = null;
    this.#screen.hover(null);
  }

  async #ask(marks: Marks): Promise<void> {
    this.#asking = true;
    const number = frame.value;
    try {
      const prompt = { frame: number, object: active.value, ...marks, select: chosen() };
      const blob = await preview(prompt, WIDTH, VIEWER, new AbortController().signal);
      const picture = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
      if (this.#over && frame.value === number) this.#screen.hover(picture);
    } catch (problem) {
      if (!(problem instanceof Refused) && !aborted(problem)) report(problem);
    }
    const next = this.#next;
    this.#asking = false;
    this.#next = null;
    next?.();
  }
}
