export default {
  files: ['test/**/*.test.ts', '!test/long/**', '!test/**/*.long.test.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  workerThreads: false,
  concurrency: 2,
  timeout: '2m',
};
