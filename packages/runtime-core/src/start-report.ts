/** The stages of a start, in order: the image, its root file system, the machine, its agent, the process. */
export const START_STAGES = ['pull', 'root', 'boot', 'agent', 'workload'] as const;
export type StartStage = (typeof START_STAGES)[number];

/** How long each stage of a start took, in milliseconds. A runtime leaves out stages that it does not have. */
export interface StartReport {
  stages: Partial<Record<StartStage, number>>;
}
