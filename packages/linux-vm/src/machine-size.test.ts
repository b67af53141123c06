import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machineSize } from './machine-size.ts';

const MIB = 1024 ** 2;
const limits = { maxCpus: 4, minMemoryBytes: 128 * MIB, maxMemoryBytes: 8192 * MIB };

describe('machineSize', () => {
  it('gives a container all of its memory, in a machine that has room for its own', () => {
    expect(machineSize({ cpu: 1.5, memory: '512Mi' }, limits)).toEqual({
      cpus: 2,
      memoryBytes: 624 * MIB,
      workloadBytes: 512 * MIB,
      warnings: [],
    });
  });

  it('says what the driver cannot give, and what it gives instead', () => {
    const { cpus, memoryBytes, workloadBytes, warnings } = machineSize({ cpu: 64, memory: '1Ti' }, limits);
    expect({ cpus, memoryBytes }).toEqual({ cpus: 4, memoryBytes: 8192 * MIB });
    expect(warnings).toEqual([
      {
        ...{ kind: 'reduced', field: 'resources.cpu', asked: 64, given: 4 },
        message: 'resources.cpu asks for 64 CPUs, and a guest here can have 4',
      },
      {
        ...{ kind: 'reduced', field: 'resources.memory', asked: 1024 ** 4, given: workloadBytes },
        message: `resources.memory asks for ${1024 ** 4} bytes, and a workload here can have ${workloadBytes}`,
      },
    ]);
  });

  it('never lets a workload use what the guest itself needs, and never cuts it short in silence', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4 * MIB, max: 2 ** 40 }), (memory) => {
        const { memoryBytes, workloadBytes, warnings } = machineSize({ cpu: 1, memory: String(memory) }, limits);
        expect(memoryBytes % MIB).toBe(0);
        expect(memoryBytes).toBeLessThanOrEqual(limits.maxMemoryBytes);
        expect(memoryBytes - workloadBytes).toBeGreaterThanOrEqual(95 * MIB + workloadBytes / 32);
        expect(warnings.length).toBe(workloadBytes < memory ? 1 : 0);
      }),
    );
  });
});
