export { FAKE_CONFORMANCE_IMAGES } from './conformance-images.ts';
export { conformanceShell } from './conformance-programs.ts';
export { FAKE_CAPABILITIES, type FakeCapability } from './fake-capabilities.ts';
export type { FakeImage } from './fake-image.ts';
export type { FakeInput, FakeOutput, FakeProgram, FakeProgramContext } from './fake-program.ts';
export { FakeRuntime, type FakeRuntimeOptions } from './fake-runtime.ts';
