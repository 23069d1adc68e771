import test from 'ava';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log('# skipped: devices and mounts in pods’ volumes, which need root');

/** `test`, or skipped where the process may not mount. */
export const rootTest = isRoot ? test : test.skip;
/** `test.serial`, likewise. */
export const serialRootTest = isRoot ? test.serial : test.serial.skip;
