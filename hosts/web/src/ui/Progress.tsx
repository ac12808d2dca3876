/** What runs, how fast, and how long it will take. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { duration } from "../numbers";
import { jobs, type Work } from "../state";

const STAGES: Record<string, string> = { track: "Tracking", refine: "Refining", matte: "Refining", steady: "Steadying", export: "Exporting", layers: "Splitting into layers" };
/** Seconds between two announcements to a screen reader. */
const SPOKEN = 5;

export function Progress() {
  const job = jobs.value.find((j) => j.status === "running") ?? jobs.value[0];
  const spoken = useSignal("");
  const last = useSignal(0);
  useSignalEffect(() => {
    const now = jobs.value.find((j) => j.status === "running");
    if (performance.now() - last.peek() < SPOKEN * 1000) return;
    last.value = performance.now();
    spoken.value = now ? line(now) : "";
  });
  const waiting = jobs.value.length - 1;
  return (
    <div class="progress">
      {job && (
        <>
          <div class="track" role="progressbar" aria-label={STAGES[job.stage] ?? job.stage} aria-valuemin={0} aria-valuemax={job.of || 1} aria-valuenow={job.done}>
            <div class="fill" style={{ width: `${job.of ? (100 * job.done) / job.of : 0}%` }} />
          </div>
          <p class="line">{line(job)}{waiting > 0 ? `; ${waiting} more waiting` : ""}</p>
        </>
      )}
      <p class="hidden" aria-live="polite">{spoken.value}</p>
    </div>
  );
}

function line(job: Work): string {
  const name = STAGES[job.stage] ?? job.stage;
  if (job.status === "queued") return `${name}: waiting`;
  if (!job.of) return `${name} ...`;
  const left = job.eta ? `, ${duration(job.eta)} left` : "";
  if (job.stage === "layers") return `${name} ${Math.floor((100 * job.done) / job.of)} %${left}`; // one frame
  const speed = job.fps ? `, ${job.fps.toFixed(job.fps < 10 ? 1 : 0)} fps` : "";
  return `${name} ${job.done} of ${job.of}${speed}${left}`;
}
