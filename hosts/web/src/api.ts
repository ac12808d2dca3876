/** Asks the engine: one function for every operation of the protocol, and a job's events. */
import { ROUTES, type Error as Said, type JobEvent, type Operations, type ShotState } from "./protocol";

/** The engine said no, in one sentence for people. */
export class Refused extends Error {
  readonly code: string;
  /** With "stale": the shot as it is now. */
  readonly shot: ShotState | null;

  constructor(said: Said) {
    super(said.message);
    this.code = said.code;
    this.shot = said.shot;
  }
}

/** Nobody answers. */
export class Lost extends Error {
  constructor() {
    super("The engine does not answer.");
  }
}

export interface Where {
  readonly shot?: string;
  readonly job?: string;
  readonly number?: number;
}

type Query = Record<string, string | number>;

/** Milliseconds before a question that did not get through is asked again. */
const AGAIN = 250;
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

export class Engine {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  /** Send a request and return the reply.
   * @throws Refused, Lost, or AbortError */
  async ask<N extends keyof Operations>(
    name: N, where: Where = {}, message: Operations[N]["request"] = null, query: Query = {}, signal?: AbortSignal,
  ): Promise<Operations[N]["reply"]> {
    const answer = await this.#send(name, where, message, query, signal);
    const picture = answer.headers.get("content-type")?.startsWith("image/");
    try {
      return (picture ? await answer.blob() : await answer.json()) as Operations[N]["reply"];
    } catch (problem) {
      throw aborted(problem) ? problem : new Lost();
    }
  }

  /** Follow a job to its end; a line that breaks is taken up again where it broke. */
  async *follow(job: string, after: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        const answer = await this.#send("events", { job }, null, { after }, signal);
        for await (const line of lines(answer)) {
          const event = JSON.parse(line) as JobEvent;
          if ("seq" in event) after = event.seq;
          tries = 0;
          yield event;
          if (event.event === "state" && ended(event.job.status)) return;
        }
      } catch (problem) {
        if (problem instanceof Refused || aborted(problem)) throw problem;
      }
      await wait(Math.min(5000, 200 * 2 ** tries));
    }
  }

  async #send(name: keyof Operations, where: Where, message: unknown, query: Query, signal?: AbortSignal): Promise<Response> {
    const [method, route] = ROUTES[name];
    const path = route.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(where[key as keyof Where])));
    const words = new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)])).toString();
    const headers: Record<string, string> = { Authorization: `Bearer ${this.#token}` };
    const body = message === null ? null : JSON.stringify(message);
    if (body !== null) headers["Content-Type"] = "application/json";
    const url = words ? `${path}?${words}` : path;
    const say = () => fetch(url, { method, headers, body, signal: signal ?? null });
    const again = async (problem: unknown) => {
      if (aborted(problem)) throw problem;
      await wait(AGAIN);
      return say();
    };
    let answer: Response;
    try {
      // What changes nothing may be asked twice: a line that broke once is no engine that is gone.
      answer = await (method === "GET" || name === "preview" ? say().catch(again) : say());
    } catch (problem) {
      throw aborted(problem) ? problem : new Lost();
    }
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}

async function refusal(answer: Response): Promise<Error> {
  try {
    return new Refused((await answer.json()) as Said);
  } catch {
    return new Lost();
  }
}

async function* lines(answer: Response): AsyncGenerator<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((line) => line !== "");
  }
}

export function ended(status: string): boolean {
  return status === "done" || status === "failed" || status === "cancelled";
}

export function aborted(problem: unknown): boolean {
  return problem instanceof DOMException && problem.name === "AbortError";
}
