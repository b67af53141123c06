import type { Duplex, Readable, Writable } from 'node:stream';
import { expect, expectTypeOf, test } from 'vitest';
import type { ConformanceOptions, ConformanceScript, RuntimeUnderTest } from './conformance/index.ts';
import type { FakeProgramContext, FakeRuntime, FakeRuntimeOptions } from './fake/index.ts';
import {
  type BaseRuntime,
  type CompositeRuntime,
  type ConflictError,
  type Container,
  type ContainerReference,
  ERROR_CLASSES,
  type ErrorCode,
  type ExecProcess,
  type ExecResult,
  type ExitResult,
  type InvalidServiceSpecError,
  isOutputLimitError,
  isZlayerError,
  type LogChunk,
  type NetworkMode,
  NotFoundError,
  OutputLimitError,
  type Platform,
  type PortMapping,
  type PullOptions,
  type PullPolicy,
  parseServiceSpec,
  type Runtime,
  type RuntimeCapabilities,
  type RuntimeEvent,
  run,
  type ServiceSpec,
  type ServiceSpecInput,
  type SourcePolicy,
  type StartReport,
  type StorageMount,
  unsupportedPlaces,
  type WaitCondition,
} from './index.ts';

test('calls of a runtime take and give what the contract says', () => {
  expectTypeOf<Runtime['capabilities']>().toEqualTypeOf<() => RuntimeCapabilities>();
  expectTypeOf<Parameters<Runtime['createContainer']>[1]>().toEqualTypeOf<ServiceSpecInput>();
  expectTypeOf<Runtime['startContainer']>().returns.toEqualTypeOf<Promise<StartReport>>();
  expectTypeOf<Parameters<Runtime['startContainer']>[0]>().toEqualTypeOf<ContainerReference>();
  expectTypeOf<Parameters<Runtime['killContainer']>[1]>().toEqualTypeOf<string | number>();
  expectTypeOf<Runtime['waitContainer']>().returns.toEqualTypeOf<Promise<ExitResult>>();
  expectTypeOf<Runtime['logsStream']>().returns.toEqualTypeOf<AsyncIterable<LogChunk>>();
  expectTypeOf<Runtime['events']>().returns.toEqualTypeOf<AsyncIterable<RuntimeEvent>>();
  expectTypeOf<Runtime['exec']>().returns.toEqualTypeOf<Promise<ExecResult>>();
  expectTypeOf<Runtime['execStream']>().returns.toEqualTypeOf<Promise<ExecProcess>>();
  expectTypeOf<Runtime['connect']>().returns.toEqualTypeOf<Promise<Duplex>>();
  expectTypeOf<Runtime['saveImages']>().returns.toEqualTypeOf<Readable>();
  expectTypeOf<Runtime['archiveGet']>().returns.toEqualTypeOf<Promise<Readable>>();
  expectTypeOf<Runtime['getContainerPid']>().returns.toEqualTypeOf<Promise<number | undefined>>();
  expectTypeOf<Parameters<Runtime['exec']>[1]>().toEqualTypeOf<readonly string[]>();
  expectTypeOf<Runtime>().toExtend<AsyncDisposable>();
  expectTypeOf<BaseRuntime>().toExtend<Runtime>();
  expectTypeOf<CompositeRuntime>().toExtend<Runtime>();
  expectTypeOf<FakeRuntime>().toExtend<Runtime>();
});

test('options that are left out may be undefined, and cannot be anything else', () => {
  expectTypeOf<PullOptions['policy']>().toEqualTypeOf<PullPolicy | undefined>();
  expectTypeOf<PullOptions['source']>().toEqualTypeOf<SourcePolicy | undefined>();
  expectTypeOf<PullOptions['platform']>().toEqualTypeOf<Platform | undefined>();
  expectTypeOf<{ policy: 'sometimes' }>().not.toExtend<PullOptions>();
  expectTypeOf<WaitCondition>().toEqualTypeOf<'not-running' | 'next-exit' | 'removed'>();
  expectTypeOf<ExecProcess['stdin']>().toEqualTypeOf<Writable>();
  expectTypeOf<Parameters<ExecProcess['kill']>>().toEqualTypeOf<[signal?: string | number | undefined]>();
  expectTypeOf(run).returns.toEqualTypeOf<Promise<Container>>();
});

test('an exit has a code exactly when it is known', () => {
  const code = (exit: ExitResult): number | undefined => {
    if (exit.reason !== 'runtime-error') {
      expectTypeOf(exit.exitCode).toEqualTypeOf<number>();
      return exit.exitCode;
    }
    expectTypeOf(exit.exitCode).toEqualTypeOf<undefined>();
    expectTypeOf(exit.message).toEqualTypeOf<string>();
    return exit.exitCode;
  };
  expect(code({ reason: 'exited', exitCode: 3 })).toBe(3);
});

test('a spec is loose on the way in and exact on the way out', () => {
  expectTypeOf<{ image: string; env: string[]; ports: string[]; storage: string[] }>().toExtend<ServiceSpecInput>();
  expectTypeOf<{ image: string; env: { PORT: number } }>().toExtend<ServiceSpecInput>();
  expectTypeOf<{ env: { A: string } }>().not.toExtend<ServiceSpecInput>();
  expectTypeOf<{ image: string; tty: string }>().not.toExtend<ServiceSpecInput>();
  expectTypeOf<ServiceSpec['env']>().toEqualTypeOf<Record<string, string>>();
  expectTypeOf<ServiceSpec['ports']>().toEqualTypeOf<PortMapping[]>();
  expectTypeOf<ServiceSpec['storage']>().toEqualTypeOf<StorageMount[]>();
  expectTypeOf<ServiceSpec['networkMode']>().toEqualTypeOf<NetworkMode>();
  expectTypeOf<ServiceSpec['resources']['cpu']>().toEqualTypeOf<number>();
  expectTypeOf<ServiceSpec['lifecycle']['maxLifetime']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<ServiceSpec>().toExtend<ServiceSpecInput>();
  expectTypeOf(parseServiceSpec).parameter(0).toEqualTypeOf<unknown>();
  expectTypeOf(unsupportedPlaces).returns.toEqualTypeOf<string[]>();
});

test('errors are told apart by their code, and by their class', () => {
  const error: unknown = new NotFoundError('gone', { subject: 'web-0' });
  if (!isZlayerError(error)) throw new Error('it is one');
  expectTypeOf(error.code).toEqualTypeOf<ErrorCode>();
  if (error instanceof NotFoundError) expectTypeOf(error.code).toEqualTypeOf<'NOT_FOUND'>();
  expectTypeOf(ERROR_CLASSES.CONFLICT).toEqualTypeOf<typeof ConflictError>();
  expectTypeOf<InvalidServiceSpecError['code']>().toEqualTypeOf<'INVALID_SPEC'>();
  const bytes = new Uint8Array([1]);
  const limit: unknown = new OutputLimitError(['cat'], { limit: 1, stdout: bytes, stderr: new Uint8Array() });
  if (!isOutputLimitError(limit)) throw new Error('it is one');
  expectTypeOf(limit.stdout).toEqualTypeOf<Uint8Array>();
  expect(limit).toMatchObject({ code: 'CONFLICT', name: 'OutputLimitError', stdout: bytes, subject: 'cat' });
  expect(isOutputLimitError(error)).toBe(false);
});

test('events are told apart by their type', () => {
  const status = (event: RuntimeEvent): string | undefined => {
    if (event.type === 'state') return event.state.status;
    if (event.type === 'health') return event.status;
    if (event.type === 'renamed') expectTypeOf(event.from.service).toEqualTypeOf<string>();
    if (event.type === 'warning') expectTypeOf(event.message).toEqualTypeOf<string>();
    if (event.type === 'restarting') expectTypeOf(event.delayMs).toEqualTypeOf<number>();
    return undefined;
  };
  const container = { service: 'a', replica: 0, instance: 'x' };
  expect(status({ type: 'health', status: 'healthy', time: new Date(), container })).toBe('healthy');
});

test('the suite and the fake are parameterised by types', () => {
  expectTypeOf<ConformanceOptions['create']>().toEqualTypeOf<() => Promise<RuntimeUnderTest>>();
  expectTypeOf<ConformanceOptions['knownGaps']>().toEqualTypeOf<Readonly<Record<string, string>> | undefined>();
  expectTypeOf<RuntimeUnderTest['reopen']>().toEqualTypeOf<(() => Promise<Runtime>) | undefined>();
  expectTypeOf<'terminal'>().toExtend<ConformanceScript>();
  expectTypeOf<FakeRuntimeOptions['images']>().not.toBeAny();
  expectTypeOf<FakeProgramContext['allocate']>().returns.toEqualTypeOf<Promise<void>>();
});
