import { conformanceOf } from './conformance.ts';

conformanceOf('amd64');
