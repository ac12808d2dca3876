/** Keeps the page and the engine of one mind: opens the shot, follows its jobs, notices what others do. */
import { aborted, ended, Lost, Refused } from "./api";
import { outdate, outdateAll } from "./frames";
import { nearest } from "./numbers";
import { PROTOCOL, type JobEvent } from "./protocol";
import {
  busy, capabilities, engine, frame, jobs, objects, places, shot, SHOT_FILE, tell, TOKEN, trouble, type Work,
} from "./state";
import type { JobState, ShotState } from "./words";

/** Milliseconds between two looks at what others do; a hidden page only keeps the engine from ending. */
const LOOK = 1500, HIDDEN = 60_000;
/** Milliseconds between two looks at a shot while a job runs on it. */
const FRESH = 600;
const AGAIN = "Start it again with “trackmatte web” and your clip: everything is saved, and a new page opens.";
const NAMES = { track: "Tracking", matte: "Refining" } as const;
const PAST = { track: "Tracked", matte: "Refined" } as const;

/** Open the shot. */
export async function begin(): Promise<void> {
  if (!TOKEN || !SHOT_FILE) {
    trouble.value = { title: "No clip is open", text: "Start with “trackmatte web CLIP” in a terminal: it opens this page with the clip.", retry: false };
    return;
  }
  try {
    const hello = await engine.ask("hello");
    if (hello.protocol !== PROTOCOL) {
      trouble.value = {
        title: "Engine and page do not match",
        text: `The engine speaks protocol ${hello.protocol} and this page ${PROTOCOL}. Reload the page; if that does not help, start “trackmatte web” again.`,
        retry: true,
      };
      return;
    }
    capabilities.value ??= await engine.ask("capabilities");
    take(await engine.ask("open_shot", {}, { path: SHOT_FILE }));
    trouble.value = null;
    await judge();
  } catch (problem) {
    report(problem);
  }
}

/** Take over how the shot is now. */
export function take(state: ShotState): void {
  const old = shot.value;
  if (old && old.shot === state.shot && state.revision < old.revision) return;
  if (!old) frame.value = nearest(state.clip, kept(state) ? frame.value : state.range[0]);
  document.title = `${state.clip.path.split(/[\\/]/).at(-1)} - Trackmatte`;
  if (JSON.stringify(old) !== JSON.stringify(state)) {
    outdateAll();
    shot.value = state;
  }
  for (const job of state.jobs) if (!followed.has(job)) void follow(job);
}

function kept(state: ShotState): boolean {
  return frame.value >= state.clip.first && frame.value <= state.clip.last;
}

/** Look at the shot again. */
export async function refresh(): Promise<void> {
  const now = shot.value;
  if (!now) return;
  const state = await engine.ask("shot_state", { shot: now.shot });
  // An edit of ours whose answer is still on its way is none of somebody else's.
  if (state.revision !== now.revision && now === shot.value && !busy.value) tell("The shot was edited elsewhere; this is how it is now.");
  take(state);
}

/** Ask which frames need the artist. */
export async function judge(): Promise<void> {
  const now = shot.value;
  if (!now) return;
  if (!objects.value.some((o) => o.tracked.length || o.stale.length)) {
    places.value = [];
    return;
  }
  try {
    places.value = (await engine.ask("places", { shot: now.shot })).places;
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    places.value = [];
  }
}

/** Say what went wrong: the whole page, or one sentence. */
export function report(problem: unknown): void {
  if (aborted(problem)) return;
  if (problem instanceof Lost) {
    trouble.value = { title: "The engine does not answer", text: AGAIN, retry: true };
  } else if (problem instanceof Refused && problem.code === "unauthorized") {
    trouble.value = { title: "This page belongs to an engine that has ended", text: AGAIN, retry: false };
  } else if (problem instanceof Refused && problem.code === "not_found" && problem.message.includes("open its file again")) {
    void begin();
  } else if (!shot.value) {
    trouble.value = { title: "The shot cannot be opened", text: problem instanceof Error ? problem.message : String(problem), retry: true };
  } else {
    tell(problem instanceof Error ? problem.message : String(problem), "error");
  }
}

/** Look now and then, for as long as the page is there. */
export async function watch(): Promise<never> {
  for (;;) {
    await pause(document.hidden ? HIDDEN : LOOK);
    try {
      if (trouble.value) {
        if (trouble.value.retry) await begin();
      } else if (document.hidden) await engine.ask("hello");
      else await refresh();
    } catch (problem) {
      report(problem);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", end);
      done();
    };
    const timer = setTimeout(end, ms);
    document.addEventListener("visibilitychange", end);
  });
}

const followed = new Set<string>();
let fresh = 0;

/** Follow a job that is new to this tab, to its end. */
export async function follow(name: string): Promise<void> {
  followed.add(name);
  let last = 0;
  try {
    const state = await engine.ask("job_state", { job: name });
    // Also one that has ended by now: how much it did is counted from its events.
    put({ ...state, stage: state.kind, done: 0, of: 0, fps: 0, eta: 0 });
    // Browsers keep six lines to a server: one that waits in the queue takes none.
    while (!ended(state.status) && jobs.value.some((j) => j.job !== name && j.status === "running")) await pause(300);
    for await (const event of engine.follow(name, last, new AbortController().signal)) {
      if ("seq" in event) last = event.seq;
      hear(name, event);
    }
    await refresh();
    await judge();
  } catch (problem) {
    report(problem);
  } finally {
    jobs.value = jobs.value.filter((j) => j.job !== name);
  }
}

function hear(name: string, event: JobEvent): void {
  const job = jobs.value.find((j) => j.job === name);
  if (event.event === "progress" && job) {
    const { stage, done, of, fps, eta } = event;
    put({ ...job, status: "running", stage, done, of, fps, eta });
    if (stage !== "layers") outdate(event.frame);
    if (performance.now() - fresh > FRESH) {
      fresh = performance.now();
      void refresh().catch(report);
    }
  } else if (event.event === "note") tell(event.message, "info", 20);
  else if (event.event === "written") tell(`Written: ${event.target}`, "info", 60);
  else if (event.event === "state") {
    if (job) put({ ...job, ...event.job });
    if (ended(event.job.status)) finish(event.job, job);
  }
}

function finish(state: JobState, job: Work | undefined): void {
  outdateAll();
  if (state.status === "failed") tell(state.error?.message ?? "The work failed.", "error");
  else if (state.status === "cancelled") tell("Stopped; what is finished stays.");
  else if (state.kind === "track" || state.kind === "matte") tell(job?.of ? `${PAST[state.kind]} ${job.of} frames.` : `${NAMES[state.kind]}: all was up to date.`);
}

function put(job: Work): void {
  const at = jobs.value.findIndex((j) => j.job === job.job);
  jobs.value = at < 0 ? [...jobs.value, job] : jobs.value.with(at, job);
}
