export { BatonError, isBatonError } from './errors.ts';
export { migrate, type Migrated, type MigrateOptions } from './migrate.ts';
export { negotiate, type Negotiated, type Role } from './negotiation.ts';
export type { Progress, ProgressEvent } from './progress.ts';
export type { ServeOptions } from './serve.ts';
export type { Consent } from './served.ts';
export { createSidecar, serve } from './create.ts';
export type { Sidecar, SidecarOptions } from './sidecar.ts';
export type { Counters, LifePhase, StateFile } from './state-file.ts';
