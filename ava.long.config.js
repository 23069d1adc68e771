import base from './ava.config.js';

export default { ...base, files: ['test/long/**/*.test.ts', 'test/**/*.long.test.ts'], concurrency: 1, timeout: '20m' };
