import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { bin: 'src/bin.ts', supervisor: 'src/supervisor/main.ts' },
  format: ['esm'],
  target: 'node22',
  clean: true,
});
