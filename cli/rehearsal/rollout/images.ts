import type { LocalImage } from '../../../local/pod-spec.ts';
import type { Workspace } from '../../../local/workspace.ts';
import { armImage } from '../faults.ts';
import type { RolloutScenario } from './scenario.ts';

/** The scenario's images as the embedded node takes them, with their faults in them. */
export interface ArmedImages {
  images: ReadonlyMap<string, LocalImage>;
  /** Of each image with a fault: whether it happened. */
  faults(): { image: string; fault: string; happened: boolean }[];
}

export function armImages({ images }: RolloutScenario, workspace: Workspace): ArmedImages {
  const armed = new Map<string, LocalImage>();
  const faults: (() => { image: string; fault: string; happened: boolean })[] = [];
  for (const [index, [name, { fault, command = [], env }]] of [...images].entries()) {
    const plain = { command, env };
    if (fault === undefined) {
      armed.set(name, images.get(name)?.command ? plain : { env });
      continue;
    }
    const { image, happened } = armImage(plain, fault, workspace.directory(`f${index}`));
    armed.set(name, image);
    faults.push(() => ({ image: name, fault, happened: happened() }));
  }
  return { images: armed, faults: () => faults.map((fault) => fault()) };
}
