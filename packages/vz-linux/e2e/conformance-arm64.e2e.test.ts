import { conformanceOf } from './conformance.ts';

conformanceOf('arm64');
