import { readFile } from 'node:fs/promises';
import type { Virtiofsd } from './virtiofsd.ts';

/** Where a virtiofsd may raise its own limit of descriptors, it raises it to this. */
const MOST_DESCRIPTORS = 1_000_000;

/**
 * How many files the guest may remember without using them before it has to forget them; undefined: as many as it likes.
 * A quarter of the descriptors: it looks twice a second, and may come to know thousands meanwhile.
 */
export async function rememberedFiles({ holdsDescriptors }: Virtiofsd): Promise<number | undefined> {
  if (!holdsDescriptors) return undefined;
  return Math.floor(descriptorLimit(await readFile('/proc/self/limits', 'latin1')) / 4);
}

/** The hard limit in what `/proc/<pid>/limits` says. */
export function descriptorLimit(limits: string): number {
  const hard = /^Max open files +\S+ +(\d+)/m.exec(limits)?.[1];
  return Math.min(hard === undefined ? MOST_DESCRIPTORS : Number(hard), MOST_DESCRIPTORS);
}
