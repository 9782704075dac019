import { defineConfig } from 'vitest/config';

const MEASURING = ['failure-detection', 'network-faults', 'overload', 'paused-replica'].map(
  (name) => `test/integration/${name}.test.ts`,
);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/integration/**', 'test/containers/**', 'test/simulation/**'],
          // Properties over many cases take their time where others use the same cores.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          // Each file starts processes of its own, and waits most of the time; two cores are few.
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: MEASURING,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          // How long things take: nothing else beside them.
          name: 'measuring',
          include: MEASURING,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'containers',
          include: ['test/containers/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
