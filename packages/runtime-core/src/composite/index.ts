export { CompositeRuntime, type CompositeRuntimeOptions } from './composite-runtime.ts';
export type { CompositeDelegate, DelegateKind } from './delegate.ts';
export { ISOLATIONS, type Isolation } from './isolation.ts';
