import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    errors: 'src/errors.ts',
    conformance: 'src/conformance/index.ts',
    fake: 'src/fake/index.ts',
  },
  format: ['esm'],
  dts: true,
  target: 'node22',
  clean: true,
});
