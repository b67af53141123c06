import { channel } from 'node:diagnostics_channel';
import type { ContainerInstance } from './container-reference.ts';

/** The stages of a start, in order: the image, its root file system, the machine, its agent, the process. */
export const START_STAGES = ['pull', 'root', 'boot', 'agent', 'workload'] as const;
/** One of the {@link START_STAGES}. */
export type StartStage = (typeof START_STAGES)[number];

/** How long each stage of a start took, in milliseconds. A runtime leaves out stages that it does not have. */
export interface StartReport {
  stages: Partial<Record<StartStage, number>>;
}

/** Name of the `node:diagnostics_channel` on which every successful start is published, as a {@link StartMessage}. */
export const START_CHANNEL = 'zlayer:start';

/** What is published about a start. */
export interface StartMessage extends StartReport {
  runtime: string;
  container: ContainerInstance;
}

/** Publishes a start to whoever subscribed; costs next to nothing when nobody did. For authors of runtimes. */
export function publishStart(message: StartMessage): void {
  const subscribers = channel(START_CHANNEL);
  if (subscribers.hasSubscribers) subscribers.publish(message);
}
