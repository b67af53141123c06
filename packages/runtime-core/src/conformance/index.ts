export { CONFORMANCE_IMAGES } from './conformance-images.ts';
export type { ConformanceImageReferences, ConformanceOptions, RuntimeUnderTest } from './conformance-options.ts';
export { CONFORMANCE_SCRIPTS, type ConformanceScript } from './conformance-scripts.ts';
export { conformanceSuite } from './conformance-suite.ts';
