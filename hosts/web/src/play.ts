/** Plays the clip at its rate; frames that come too late are left out. */
import { effect } from "@preact/signals";
import { stepped } from "./numbers";
import { displayed, frame, shot, speed } from "./state";

export function player(): () => void {
  let due = 0, request = 0;
  function tick(now: number): void {
    const clip = shot.peek()?.clip, range = shot.peek()?.range, rate = speed.peek();
    if (!clip || !range || !rate) return;
    request = requestAnimationFrame(tick);
    const period = 1000 / ((clip.rate[0] / clip.rate[1] || 24) * Math.abs(rate));
    if (displayed.peek() !== frame.peek() || now < due) return;
    const steps = Math.max(1, Math.min(8, 1 + Math.floor((now - due) / period)));
    due = Math.max(due + steps * period, now);
    const [from, to] = rate > 0 ? range : [range[1], range[0]];
    const at = frame.peek(), next = stepped(clip, at, Math.sign(rate) * steps);
    // Round from out to in; who starts outside plays on to the clip's end first.
    const over = next === at || (at - to) * (next - to) < 0 || at === to;
    frame.value = over ? from : next;
  }
  return effect(() => {
    cancelAnimationFrame(request);
    if (!speed.value) return;
    due = performance.now();
    request = requestAnimationFrame(tick);
  });
}
