import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { followKeyPair } from '../../../../controller/webhook/certificates/follow.ts';
import { issueAuthority, issueServing } from '../../../../controller/webhook/certificates/issue.ts';
import type { KeyPair } from '../../../../controller/webhook/certificates/key-pair.ts';
import { readMounted, watchMounted } from '../../../../controller/webhook/certificates/mounted.ts';
import { temporaryDirectory, until } from '../../../helpers/processes.ts';

const pair = async (): Promise<KeyPair> => issueServing(await issueAuthority(Date.now()), ['localhost'], Date.now());

/** Writes as the kubelet does: a folder per write, a link to it that is renamed, and links through that. */
function mount(folder: string, { certificate, key }: KeyPair, generation: number): void {
  const data = join(folder, `..${generation}`);
  mkdirSync(data);
  writeFileSync(join(data, 'tls.crt'), certificate);
  writeFileSync(join(data, 'tls.key'), key);
  symlinkSync(`..${generation}`, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  if (generation === 1) {
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(`..data/${name}`, join(folder, name));
  } else rmSync(join(folder, `..${generation - 1}`), { recursive: true });
}

test('a certificate that is mounted anew is read at once, by the watch', async (t) => {
  const folder = temporaryDirectory(t);
  const [first, second] = [await pair(), await pair()];
  mount(folder, first, 1);
  const ended = new AbortController();
  const got: KeyPair[] = [];
  const following = followKeyPair({
    // An hour: only the watch can be in time.
    read: async () => ({ keyPair: await readMounted(folder), again: 3_600_000 }),
    wake: (look) => watchMounted(folder, look, ended.signal),
    onKeyPair: (keyPair) => void got.push(keyPair),
    onError: () => undefined,
    signal: ended.signal,
  });
  await until('the first', () => got.length === 1);
  mount(folder, second, 2);
  await until('the second', () => got.length === 2);
  ended.abort();
  await following;
  t.deepEqual(got, [first, second]);
});

test('without a watch, looking finds it; what does not fit together is told and not served', async (t) => {
  const folder = temporaryDirectory(t);
  const [first, second] = [await pair(), await pair()];
  mount(folder, first, 1);
  const ended = new AbortController();
  const got: KeyPair[] = [];
  const errors: unknown[] = [];
  const following = followKeyPair({
    read: async () => ({ keyPair: await readMounted(folder), again: 20 }),
    onKeyPair: (keyPair) => void got.push(keyPair),
    onError: (error) => errors.push(error),
    signal: ended.signal,
  });
  t.teardown(() => ended.abort());
  await until('the first', () => got.length === 1);
  mount(folder, { ...first, key: second.key }, 2);
  await until('an error', () => errors.length > 0);
  t.like(errors[0], { code: 'ERR_BATON_CERTIFICATE', message: `${folder}: the key is not the certificate's` });
  t.is(got.length, 1);
  mount(folder, second, 3);
  await until('the second', () => got.length === 2);
  ended.abort();
  await following;
});

test('what is missing or is no certificate is an error that names the folder', async (t) => {
  const folder = temporaryDirectory(t);
  await t.throwsAsync(readMounted(folder), { code: 'ERR_BATON_CERTIFICATE', message: /is the Secret mounted/ });
  for (const name of ['tls.crt', 'tls.key']) writeFileSync(join(folder, name), 'x');
  await t.throwsAsync(readMounted(folder), { code: 'ERR_BATON_CERTIFICATE', message: /as PEM/ });
});
