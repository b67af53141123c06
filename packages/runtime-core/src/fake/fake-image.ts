import type { FakeProgram } from './fake-program.ts';

/** An image that the fake runtime can pull: the programs in it, and what it says about the process to start. */
export interface FakeImage {
  /** By the path or name that a command begins with, such as `/bin/sh`. */
  programs: Readonly<Record<string, FakeProgram>>;
  entrypoint?: readonly string[] | undefined;
  command?: readonly string[] | undefined;
  /** `NAME=value` */
  env?: readonly string[] | undefined;
  /** Default: `/`. */
  workdir?: string | undefined;
  /** Default: root. */
  user?: string | undefined;
  stopSignal?: string | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  /** Content of files by absolute path. Programs are files as well. */
  files?: Readonly<Record<string, string>> | undefined;
  /** Users by name, as `/etc/passwd` has them. Default: root. */
  users?: Readonly<Record<string, { uid: number; gid: number }>> | undefined;
  /** Groups by name, as `/etc/group` has them. Default: root. */
  groups?: Readonly<Record<string, number>> | undefined;
}
