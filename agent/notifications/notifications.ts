import { closeSync } from 'node:fs';
import type { Pod } from '../../api/kubernetes.ts';
import { recordsOn } from '../hot-upgrade/view.ts';
import { holdSidecarFolder, sidecarsWithFolder } from '../pod-directory/folder.ts';
import type { BindDatagrams } from './datagram-socket.ts';
import type { Mailbox } from './mailbox.ts';
import { openMailbox, removeSocket } from './mailbox.ts';

export interface NotificationsOptions {
  kubeletRoot: string;
  bind: BindDatagrams;
  now: () => number;
  /** A sidecar of the pod wrote its state file. */
  onNotice: (podUid: string) => void;
  /** A pod cannot be listened to, or no longer, until its next upgrade: its state files are polled. */
  onError: (pod: Pod, error: unknown) => void;
}

/** The sockets in the volumes of the pods whose upgrade is under way. */
export interface Notifications {
  /**
   * Opens and closes sockets, so that they are there for pods that are under way (uids) and neither being deleted nor ended, and for no others:
   * a bound socket keeps the kubelet from unmounting its volume.
   */
  attend(pods: readonly Pod[], underWay: ReadonlySet<string>): void;
  /** Closes and removes all. */
  close(): void;
}

interface Attended {
  pod: Pod;
  /** By sidecar. Without those that could not be opened: they are not tried again. */
  mailboxes: Map<string, Mailbox>;
}

/**
 * Listens for the notices of sidecars (design section 3). They only say when to look: without them, or when they are lost, the
 * next look is a little later. The folders are open only while a socket is made or removed.
 */
export function createNotifications({
  kubeletRoot,
  bind,
  now,
  onNotice,
  onError,
}: NotificationsOptions): Notifications {
  const attended = new Map<string, Attended>();
  /** Pods in which nothing can be left of an agent that was killed. */
  const swept = new Set<string>();

  const within = (pod: Pod, sidecar: string, act: (folder: number) => void): void => {
    let folder: number | undefined;
    try {
      folder = holdSidecarFolder(kubeletRoot, pod, sidecar);
      if (folder !== undefined) act(folder);
    } catch (error) {
      onError(pod, error);
    } finally {
      if (folder !== undefined) closeSync(folder);
    }
  };

  const open = (uid: string, pod: Pod): void => {
    const mailboxes = new Map<string, Mailbox>();
    attended.set(uid, { pod, mailboxes });
    for (const sidecar of sidecarsWithFolder(pod)) {
      within(pod, sidecar, (folder) => {
        const options = {
          bind,
          now,
          onNotice: () => onNotice(uid),
          onFlood: (error: unknown) => onError(pod, error),
        };
        mailboxes.set(sidecar, openMailbox(folder, options));
      });
    }
  };

  const shut = (uid: string, { pod, mailboxes }: Attended, stays: boolean): void => {
    attended.delete(uid);
    for (const mailbox of mailboxes.values()) mailbox.close();
    // The volume of a pod that goes is the kubelet's to remove, and may be gone already.
    if (stays) for (const sidecar of mailboxes.keys()) within(pod, sidecar, removeSocket);
  };

  return {
    attend(pods, underWay) {
      const staying = new Map(pods.filter(isStaying).map((pod) => [pod.metadata?.uid ?? '', pod]));
      for (const [uid, known] of attended) {
        if (!underWay.has(uid) || !staying.has(uid)) shut(uid, known, staying.has(uid));
      }
      for (const uid of swept) if (!staying.has(uid)) swept.delete(uid);
      for (const [uid, pod] of staying) {
        if (underWay.has(uid) && !attended.has(uid)) open(uid, pod);
        // An agent before this one may have been killed, and the upgrade have ended without it.
        else if (!swept.has(uid) && !underWay.has(uid) && recordsOn(pod).size > 0) {
          for (const sidecar of sidecarsWithFolder(pod)) within(pod, sidecar, removeSocket);
        }
        swept.add(uid);
      }
    },
    close() {
      for (const [uid, known] of attended) shut(uid, known, true);
    },
  };
}

/** Its volume is still the pod's. */
function isStaying({ metadata, status }: Pod): boolean {
  return metadata?.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}
