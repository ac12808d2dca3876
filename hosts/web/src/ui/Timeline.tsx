/** The timeline: scrub, rows of the objects, in and out. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { goTo } from "../actions";
import { setRange } from "../edits";
import { thumbnail } from "../frames";
import { clamp, nearest, unit } from "../numbers";
import { active, frame, objects, places, shot, slot, speed, within } from "../state";
import { heightOf, paint, RULER, ROW, HEAT, STRIP, cells, xOf, type Stretch } from "../timeline";
import type { ShotState } from "../words";

/** Milliseconds of rest before thumbnails are fetched. */
const REST = 250;

export function Timeline() {
  return <section class="timeline" aria-label="Timeline">{shot.value && <Lane now={shot.value} />}</section>;
}

function Lane({ now }: { now: ShotState }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(1);
  /** Part of the clip that is on screen; null = all. */
  const part = useSignal<readonly [number, number] | null>(null);
  const thumbs = useSignal<ReadonlyMap<number, ImageBitmap>>(new Map());
  const clip = now.clip;
  const height = heightOf(objects.value.length);

  const stretchNow = (): Stretch => {
    const now = shot.value?.clip;
    const [a, b] = part.value ?? [now?.first ?? 0, (now?.last ?? 0) + 1];
    return { from: a, each: width.value / Math.max(1, b - a) };
  };

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const size = new ResizeObserver(() => (width.value = Math.max(1, element.clientWidth / unit())));
    size.observe(element);
    const wheel = (e: WheelEvent) => {
      e.preventDefault();
      const now = shot.value?.clip;
      if (!now) return;
      const s = stretchNow(), x = e.offsetX / unit(), at = s.from + x / s.each;
      const all = now.last + 1 - now.first;
      const span = clamp((width.value / s.each) * 2 ** (e.deltaY / 240), Math.min(8, all), all);
      const from = clamp(at - (x / width.value) * span, now.first, now.last + 1 - span);
      part.value = span >= all ? null : [from, from + span];
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      size.disconnect();
      element.removeEventListener("wheel", wheel);
    };
  }, []);

  useSignalEffect(() => {
    const now = shot.value, element = canvas.current;
    const c = element?.getContext("2d");
    if (!now || !element || !c) return;
    const ratio = devicePixelRatio * unit(), high = heightOf(objects.value.length);
    const [w, h] = [Math.round(width.value * ratio), Math.round(high * ratio)];
    if (element.width !== w || element.height !== h) [element.width, element.height] = [w, h];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(c, {
      shot: now, objects: objects.value, places: places.value, frame: frame.value, slot: slot.value, stretch: stretchNow(),
      width: width.value, height: high, thumbs: thumbs.value,
    });
  });

  useSignalEffect(() => {
    const at = frame.value, shownPart = part.peek();
    if (!shownPart || (at >= shownPart[0] && at < shownPart[1])) return;
    const now = shot.peek()?.clip, span = shownPart[1] - shownPart[0];
    if (!now) return;
    const from = clamp(at - span / 2, now.first, now.last + 1 - span);
    part.value = [from, from + span];
  });

  useSignalEffect(() => {
    const now = shot.value;
    void [part.value, width.value, speed.value];
    if (!now || width.value < 2) return;
    let gone = false;
    const timer = setTimeout(async () => {
      const found = new Map<number, ImageBitmap>();
      for (const n of new Set(cells(now, stretchNow(), width.peek()).map((cell) => cell.frame))) {
        if (gone || speed.peek()) return;
        const picture = await thumbnail(n).catch(() => null);
        if (picture) found.set(n, picture);
        if (!gone && picture) thumbs.value = new Map([...found]);
      }
    }, REST);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  });

  const frameAt = (x: number) => {
    const s = stretchNow();
    return Math.floor(s.from + x / unit() / s.each);
  };
  const scrub = (e: PointerEvent) => {
    const element = canvas.current;
    if (!element || !(e.buttons & 1)) return;
    speed.value = 0;
    goTo(frameAt(e.clientX - element.getBoundingClientRect().left));
  };
  const down = (e: PointerEvent) => {
    canvas.current?.setPointerCapture(e.pointerId);
    const at = Math.floor((e.offsetY / unit() - RULER - STRIP - HEAT) / ROW);
    if (at >= 0 && at < objects.value.length) slot.value = at;
    scrub(e);
  };
  const s = stretchNow(), [a, b] = now.range;
  return (
    <div class="lane">
      <canvas
        ref={canvas} id="timeline" tabIndex={0} role="slider" aria-label="Frame" aria-valuemin={clip.first} aria-valuemax={clip.last}
        aria-valuenow={frame.value} aria-valuetext={spoken()} style={{ height: `${height * unit()}px` }} onPointerDown={down} onPointerMove={scrub}
      />
      <Handle end="in" x={xOf(s, a)} at={a} frameAt={frameAt} />
      <Handle end="out" x={xOf(s, b + 1)} at={b} frameAt={frameAt} />
    </div>
  );
}

/** The frame and where the active object stands there, in words. */
function spoken(): string {
  const now = shot.value, at = frame.value;
  const object = objects.value[slot.value];
  const stands = !object ? "nothing selected"
    : within(object.stale, at) ? "stale" : within(object.matted, at) ? "refined" : within(object.tracked, at) ? "tracked" : "empty";
  return `frame ${at}, in ${now?.range[0]}, out ${now?.range[1]}; ${active.value}: ${stands}`;
}

function Handle({ end, x, at, frameAt }: { end: "in" | "out"; x: number; at: number; frameAt: (x: number) => number }) {
  const dragged = useSignal<number | null>(null);
  const now = shot.value;
  if (!now) return null;
  const [a, b] = now.range;
  const put = (to: number) => {
    const n = nearest(now.clip, to);
    void setRange(end === "in" ? [Math.min(n, b), b] : [a, Math.max(n, a)]);
  };
  const keys = (e: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[e.key];
    if (by === undefined) return;
    e.preventDefault();
    e.stopPropagation();
    put(at + by);
  };
  const lane = (e: PointerEvent) => (e.currentTarget as HTMLElement).parentElement?.getBoundingClientRect().left ?? 0;
  const number = (e: PointerEvent) => frameAt(e.clientX - lane(e) - (end === "out" ? 1 : 0));
  return (
    <div
      class={`handle ${end}`} role="slider" tabIndex={0} aria-label={end === "in" ? "In point" : "Out point"}
      aria-valuemin={now.clip.first} aria-valuemax={now.clip.last} aria-valuenow={dragged.value ?? at} title={`${end} ${dragged.value ?? at}`}
      style={{ left: `${x * unit()}px` }} onKeyDown={keys}
      onPointerDown={(e) => {
        e.currentTarget.setPointerCapture(e.pointerId);
        dragged.value = at;
      }}
      onPointerMove={(e) => {
        if (dragged.value === null) return;
        dragged.value = nearest(now.clip, number(e));
        e.currentTarget.style.left = `${e.clientX - lane(e)}px`;
      }}
      onPointerUp={() => {
        if (dragged.value !== null && dragged.value !== at) put(dragged.value);
        dragged.value = null;
      }}
    />
  );
}
