/** The protocol's words that the page uses, in one place. */
export type {
  Capabilities, ClipFacts, ExportFrames, ExportPlan, JobEvent, JobState, ObjectState, Place, Prompt, Said, Scribble, Selector,
  ShotState,
} from "./protocol";

export type Span = readonly [number, number];
export type Polygon = readonly (readonly [number, number])[];
