// A postStart hook for the fake sidecar: waits until its version serves, as `baton migrate` does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const { SIDECARSET_VERSION: version, BATON_DIR: dir } = process.env;

function look() {
  let phase;
  try {
    phase = JSON.parse(readFileSync(join(dir, `${version}.json`), 'utf8')).phase;
  } catch {
    // Not written yet.
  }
  if (version !== '0' && phase !== 'serving') setTimeout(look, 20);
}
look();
