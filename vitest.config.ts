import { defineConfig } from 'vitest/config';

const sources = ['packages/*/src/**/*.test.ts', 'scripts/**/*.test.ts'];
const endToEnd = ['packages/*/e2e/**/*.e2e.test.ts', 'scripts/**/*.e2e.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './scripts/total-reporter.ts'],
    projects: [
      { test: { name: 'unit', include: sources, exclude: ['**/*.e2e.test.ts', '**/node_modules/**'] } },
      {
        test: {
          name: 'e2e',
          include: endToEnd,
          // Two cores: one virtual machine at a time keeps boot times honest.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
