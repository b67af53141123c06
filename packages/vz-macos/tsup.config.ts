import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { index: 'src/index.ts', 'chunk-worker': 'src/tart/chunk-worker.ts' },
  format: ['esm'],
  dts: { entry: { index: 'src/index.ts' } },
  target: 'node22',
  clean: true,
  splitting: false,
});
