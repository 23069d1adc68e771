import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { temporaryDirectory, type Scope } from './processes.ts';

/** A certificate of the test's own, for localhost, as the examples take it. */
export function certificate(t: Scope): { CERT: string; KEY: string } {
  const directory = temporaryDirectory(t);
  const [CERT, KEY] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-days', '2', '-nodes', '-keyout', KEY, '-out', CERT];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...subject], {
    stdio: 'ignore',
  });
  return { CERT, KEY };
}
