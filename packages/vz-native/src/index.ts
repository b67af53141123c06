export { type QueryOptions, queryVzHost, type VzSupport } from './query-vz-host.ts';
export { type SignOptions, signProgram } from './sign-program.ts';
export { entitlementsPath, vzHostPath } from './vz-host-path.ts';
