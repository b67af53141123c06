import { join } from 'node:path';
import {
  type ContainerDetails,
  type ContainerId,
  type ContainerState,
  type ContainerSummary,
  formatContainerId,
  isActive,
  type PublishedPort,
  type ServiceSpec,
} from '@zlayer/runtime-core';
import type { ContainerRecord } from './container-record.ts';

/** What the record of a container says about it, and where its files are. */
export abstract class RecordedContainer {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** As it is at the moment. */
  abstract get record(): ContainerRecord;

  get id(): ContainerId {
    return this.record.id;
  }

  get name(): string {
    return formatContainerId(this.record.id);
  }

  get instance(): string {
    return this.record.instance;
  }

  get spec(): ServiceSpec {
    return this.record.spec;
  }

  get state(): ContainerState {
    return this.record.state;
  }

  get isActive(): boolean {
    return isActive(this.record.state.status);
  }

  get imageDigest(): string {
    return this.record.image.digest;
  }

  get ports(): readonly PublishedPort[] {
    return this.record.ports;
  }

  get summary(): ContainerSummary {
    return summaryOf(this.record);
  }

  get details(): ContainerDetails {
    const { spec, image, platform, createdAt, startedAt, endedAt, exit, restarts } = this.record;
    return {
      ...this.summary,
      ...{ spec, imageDigest: image.digest, platform, createdAt, startedAt, endedAt, exit, restarts },
      directory: this.directory,
    };
  }

  get logFile(): string {
    return join(this.directory, 'container.log');
  }

  get consoleFile(): string {
    return join(this.directory, 'console.log');
  }

  /** Why a container that does not run cannot do what only a running one can. */
  protected get whyNotRunning(): string {
    return this.state.status === 'paused' ? 'is paused' : 'is not running';
  }
}

/** A container as a list shows it. */
export function summaryOf({ id, instance, image, state }: ContainerRecord): ContainerSummary {
  return { id, instance, image: image.reference, state };
}
