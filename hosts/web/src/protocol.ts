// Written by scripts/web-protocol from plugin/trackmatte_client/protocol: do not edit.

export const PROTOCOL = 1;

export interface Scribble {
  readonly points: readonly (readonly [number, number])[];
  readonly label: 0 | 1;
  readonly radius: number;
  readonly mode: "hint" | "paint" | "hair";
}

export interface Prompt {
  readonly frame: number;
  readonly object?: string;
  readonly points?: readonly (readonly [number, number, 0 | 1])[];
  readonly box?: readonly [number, number, number, number] | null;
  readonly scribbles?: readonly Scribble[];
  readonly mask?: string | null;
  readonly select?: string | null;
  readonly polygons?: readonly (readonly (readonly [number, number])[])[];
}

export interface Said {
  readonly frame: number;
  readonly object: string;
  readonly points: readonly (readonly [number, number, 0 | 1])[];
  readonly box: readonly [number, number, number, number] | null;
  readonly scribbles: readonly Scribble[];
  readonly mask: boolean;
  readonly select: string | null;
  readonly polygons: readonly (readonly (readonly [number, number])[])[];
}

export interface PutPrompt {
  readonly revision: number;
  readonly prompt: Prompt;
  readonly keep_mask?: boolean;
}

export interface AddPrompt {
  readonly revision: number;
  readonly prompt: Prompt;
}

export interface RemovePrompt {
  readonly revision: number;
  readonly frame: number;
  readonly object?: string;
}

export interface Selector {
  readonly name: string;
  readonly title: string;
  readonly what: string;
  readonly needs: "marks" | "background" | "both";
  readonly mask: boolean;
  readonly outline: boolean;
}

export interface Selected {
  readonly object: string;
  readonly frame: number;
  readonly share: number;
  readonly score: number;
  readonly mask: string;
  readonly polygons: readonly (readonly (readonly [number, number])[])[];
}

export interface Preview {
  readonly prompt: Prompt;
  readonly width?: number;
  readonly replace?: boolean;
  readonly viewer?: string;
  readonly exact?: boolean;
}

export interface MakeLayers {
  readonly frame: number;
  readonly count?: number;
  readonly folder?: string | null;
  readonly overwrite?: boolean;
  readonly method?: "semantic" | "spectral" | "gmm" | "mrf";
}

export interface PickLayers {
  readonly revision: number;
  readonly frame: number;
  readonly layers: readonly number[];
  readonly object?: string;
}

export interface Error {
  readonly code: string;
  readonly message: string;
  readonly exit_code: number;
  readonly shot: ShotState | null;
}

export interface Hello {
  readonly protocol: number;
  readonly engine: string;
  readonly pid: number;
}

export interface Done {
}

export interface Part {
  readonly name: string;
  readonly available: boolean;
  readonly why: string;
}

export interface Choice {
  readonly name: string;
  readonly what: string;
}

export interface Capabilities {
  readonly trackers: readonly Part[];
  readonly refiners: readonly Part[];
  readonly tracker: string;
  readonly tracker_why: string;
  readonly refiner: string;
  readonly refiner_why: string;
  readonly presets: readonly Choice[];
  readonly formats: readonly string[];
  readonly selectors: readonly Selector[];
}

export interface CreateShot {
  readonly path: string;
  readonly clip: string;
  readonly tracker?: string;
  readonly refiner?: string;
  readonly tracker_settings?: Record<string, unknown>;
  readonly refiner_settings?: Record<string, unknown>;
  readonly range?: readonly [number, number] | null;
  readonly exclusive?: boolean;
  readonly steady?: number;
  readonly on_error?: "stop" | "skip";
  readonly grid?: string | null;
  readonly select?: string;
  readonly input_colorspace?: string | null;
}

export interface OpenShot {
  readonly path: string;
  readonly grid?: string | null;
}

export interface ClipFacts {
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly rate: readonly [number, number];
  readonly first: number;
  readonly last: number;
  readonly length: number;
  readonly missing: readonly (readonly [number, number])[];
  readonly padding: number;
  readonly timecode: string | null;
  readonly notes: readonly string[];
}

export interface ObjectState {
  readonly object: string;
  readonly prompted: readonly (readonly [number, number])[];
  readonly tracked: readonly (readonly [number, number])[];
  readonly stale: readonly (readonly [number, number])[];
  readonly matted: readonly (readonly [number, number])[];
  readonly locked: readonly (readonly [number, number])[];
  readonly lost: readonly (readonly [number, number])[];
}

export interface ShotState {
  readonly shot: string;
  readonly path: string;
  readonly revision: number;
  readonly clip: ClipFacts;
  readonly tracker: string;
  readonly tracker_settings: Record<string, unknown>;
  readonly refiner: string;
  readonly refiner_settings: Record<string, unknown>;
  readonly range: readonly [number, number];
  readonly exclusive: boolean;
  readonly steady: number;
  readonly objects: readonly ObjectState[];
  readonly prompts: readonly Said[];
  readonly can_undo: boolean;
  readonly can_redo: boolean;
  readonly jobs: readonly string[];
  readonly select: string;
}

export interface ShotList {
  readonly shots: readonly string[];
  readonly paths: readonly string[];
}

export interface Edit {
  readonly revision: number;
}

export interface EditObject {
  readonly revision: number;
  readonly object: string;
}

export interface LockFrames {
  readonly revision: number;
  readonly object: string;
  readonly frames: readonly [number, number];
}

export interface SetRange {
  readonly revision: number;
  readonly range: readonly [number, number] | null;
}

export interface SetMethods {
  readonly revision: number;
  readonly select?: string | null;
  readonly refiner?: string | null;
  readonly refiner_settings?: Record<string, unknown>;
}

export interface Prompted {
  readonly shot: ShotState;
  readonly selected: Selected;
}

export interface TrackFrames {
  readonly range?: readonly [number, number] | null;
  readonly direction?: "both" | "forward" | "backward";
  readonly fresh?: boolean;
}

export interface MatteFrames {
}

export interface ExportFrames {
  readonly folder: string;
  readonly preset?: string;
  readonly format?: string;
  readonly depth?: "half" | "float";
  readonly compression?: string;
  readonly tight?: boolean;
  readonly alpha?: "straight" | "premultiplied" | null;
  readonly foreground?: "estimate" | "fast" | "plate";
  readonly space?: "linear" | "source";
  readonly audio?: boolean;
  readonly overwrite?: boolean;
}

export interface PlannedPart {
  readonly objects: readonly string[];
  readonly target: string;
  readonly first: string;
  readonly frames: readonly (readonly [number, number])[];
  readonly exist: number;
}

export interface ExportPlan {
  readonly parts: readonly PlannedPart[];
}

export interface JobState {
  readonly job: string;
  readonly shot: string;
  readonly kind: "track" | "matte" | "export" | "layers";
  readonly status: "queued" | "running" | "done" | "failed" | "cancelled";
  readonly seq: number;
  readonly error: Error | null;
}

export interface JobList {
  readonly jobs: readonly JobState[];
}

export interface Place {
  readonly object: string;
  readonly frame: number;
  readonly first: number;
  readonly last: number;
  readonly doubt: number;
  readonly reasons: readonly string[];
}

export interface Places {
  readonly places: readonly Place[];
}

export interface NextPlace {
  readonly place: Place | null;
}

export interface StateEvent {
  readonly seq: number;
  readonly job: JobState;
  readonly event: "state";
}

export interface ProgressEvent {
  readonly seq: number;
  readonly stage: string;
  readonly frame: number;
  readonly done: number;
  readonly of: number;
  readonly fps: number;
  readonly eta: number;
  readonly note: string;
  readonly event: "progress";
}

export interface NoteEvent {
  readonly seq: number;
  readonly message: string;
  readonly event: "note";
}

export interface ChangedEvent {
  readonly seq: number;
  readonly object: string;
  readonly frames: readonly (readonly [number, number])[];
  readonly event: "changed";
}

export interface WrittenEvent {
  readonly seq: number;
  readonly objects: readonly string[];
  readonly target: string;
  readonly frames: readonly (readonly [number, number])[];
  readonly padding: number;
  readonly event: "written";
}

export interface ErrorEvent {
  readonly seq: number;
  readonly error: Error;
  readonly event: "error";
}

export interface Heartbeat {
  readonly event: "heartbeat";
}

export type JobEvent = StateEvent | ProgressEvent | NoteEvent | ChangedEvent | WrittenEvent | ErrorEvent | Heartbeat;

export interface Operations {
  readonly hello: { request: null; reply: Hello };
  readonly capabilities: { request: null; reply: Capabilities };
  readonly shut_down: { request: null; reply: Done };
  readonly create_shot: { request: CreateShot; reply: ShotState };
  readonly open_shot: { request: OpenShot; reply: ShotState };
  readonly list_shots: { request: null; reply: ShotList };
  readonly shot_state: { request: null; reply: ShotState };
  readonly close_shot: { request: null; reply: Done };
  readonly put_prompt: { request: PutPrompt; reply: Prompted };
  readonly add_prompt: { request: AddPrompt; reply: Prompted };
  readonly remove_prompt: { request: RemovePrompt; reply: ShotState };
  readonly preview: { request: Preview; reply: Selected };
  readonly forget_object: { request: EditObject; reply: ShotState };
  readonly lock: { request: LockFrames; reply: ShotState };
  readonly unlock: { request: LockFrames; reply: ShotState };
  readonly layers: { request: MakeLayers; reply: JobState };
  readonly layer_image: { request: null; reply: Blob };
  readonly pick_layers: { request: PickLayers; reply: Prompted };
  readonly set_methods: { request: SetMethods; reply: ShotState };
  readonly set_range: { request: SetRange; reply: ShotState };
  readonly undo: { request: Edit; reply: ShotState };
  readonly redo: { request: Edit; reply: ShotState };
  readonly track: { request: TrackFrames; reply: JobState };
  readonly matte: { request: MatteFrames; reply: JobState };
  readonly export: { request: ExportFrames; reply: JobState };
  readonly export_plan: { request: ExportFrames; reply: ExportPlan };
  readonly places: { request: null; reply: Places };
  readonly next_place: { request: null; reply: NextPlace };
  readonly frame: { request: null; reply: Blob };
  readonly mask: { request: null; reply: Blob };
  readonly matte_image: { request: null; reply: Blob };
  readonly list_jobs: { request: null; reply: JobList };
  readonly job_state: { request: null; reply: JobState };
  readonly cancel_job: { request: null; reply: JobState };
  readonly events: { request: null; reply: Blob };
}

export const ROUTES: Record<keyof Operations, readonly [method: string, path: string]> = {
  hello: ["GET", "/hello"],
  capabilities: ["GET", "/v1/capabilities"],
  shut_down: ["POST", "/v1/shutdown"],
  create_shot: ["POST", "/v1/shots/create"],
  open_shot: ["POST", "/v1/shots/open"],
  list_shots: ["GET", "/v1/shots"],
  shot_state: ["GET", "/v1/shots/{shot}"],
  close_shot: ["POST", "/v1/shots/{shot}/close"],
  put_prompt: ["POST", "/v1/shots/{shot}/prompts/put"],
  add_prompt: ["POST", "/v1/shots/{shot}/prompts/add"],
  remove_prompt: ["POST", "/v1/shots/{shot}/prompts/remove"],
  preview: ["POST", "/v1/shots/{shot}/preview"],
  forget_object: ["POST", "/v1/shots/{shot}/objects/forget"],
  lock: ["POST", "/v1/shots/{shot}/lock"],
  unlock: ["POST", "/v1/shots/{shot}/unlock"],
  layers: ["POST", "/v1/shots/{shot}/layers"],
  layer_image: ["GET", "/v1/shots/{shot}/layers/{number}"],
  pick_layers: ["POST", "/v1/shots/{shot}/layers/pick"],
  set_methods: ["POST", "/v1/shots/{shot}/methods"],
  set_range: ["POST", "/v1/shots/{shot}/range"],
  undo: ["POST", "/v1/shots/{shot}/undo"],
  redo: ["POST", "/v1/shots/{shot}/redo"],
  track: ["POST", "/v1/shots/{shot}/track"],
  matte: ["POST", "/v1/shots/{shot}/matte"],
  export: ["POST", "/v1/shots/{shot}/export"],
  export_plan: ["POST", "/v1/shots/{shot}/export/plan"],
  places: ["GET", "/v1/shots/{shot}/qc"],
  next_place: ["GET", "/v1/shots/{shot}/qc/next"],
  frame: ["GET", "/v1/shots/{shot}/frames/{number}"],
  mask: ["GET", "/v1/shots/{shot}/masks/{number}"],
  matte_image: ["GET", "/v1/shots/{shot}/mattes/{number}"],
  list_jobs: ["GET", "/v1/jobs"],
  job_state: ["GET", "/v1/jobs/{job}"],
  cancel_job: ["POST", "/v1/jobs/{job}/cancel"],
  events: ["GET", "/v1/jobs/{job}/events"],
};
