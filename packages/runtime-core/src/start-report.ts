import { channel } from 'node:diagnostics_channel';
import type { ContainerInstance } from './container-reference.ts';

/** The stages of a start, in order: the image, its root file system, the machine, its agent, the process. */
export const START_STAGES = ['pull', 'root', 'boot', 'agent', 'workload'] as const;
/** One of the {@link START_STAGES}. */
export type StartStage = (typeof START_STAGES)[number];

/** Something about a start that has succeeded all the same, and that somebody should be told. */
export type StartWarning =
  /** A field of the spec that the runtime could not give in full. */
  | {
      kind: 'reduced';
      /** Such as `resources.cpu`. */
      field: string;
      /** In CPUs, or in bytes. */
      asked: number;
      given: number;
      /** For people. */
      message: string;
    }
  | { kind: 'notice'; message: string };

/** How a start went. */
export interface StartReport {
  /** How long each stage took, in milliseconds. A runtime leaves out stages that it does not have. */
  stages: Partial<Record<StartStage, number>>;
  /** Empty when everything is as the spec has it. */
  warnings: readonly StartWarning[];
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
