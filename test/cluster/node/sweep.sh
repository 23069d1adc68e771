#!/bin/sh
# Waits until its input ends, then removes whatever a place had: `sweep.sh FOLDER NAME` (see place.ts). What is gone already
# is no error: it may run twice at once.
folder=$1 name=$2
cat >/dev/null

processes() {
  find /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | grep -vx 0
}
# A process may be starting another one.
for _ in $(seq 100); do
  left=$(processes) || break
  kill -s KILL $left 2>/dev/null
  sleep 0.05
done
# The shims' sockets lie elsewhere, and so do the CNI's cache and the kubelet's links to logs.
find "$folder" -path '*/io.containerd.runtime.v2.task/*/address' -exec cat {} + 2>/dev/null |
  grep -o '/run/containerd/s/[0-9a-f]*' | while read -r socket; do rm -f "$socket"; done
find /var/log/containers /var/log/pods -lname "$folder/*" -delete 2>/dev/null
rm -f /var/lib/cni/results/"$name"-* /var/lib/cni/cache/results/"$name"-*
ip link delete "$name" 2>/dev/null
for _ in $(seq 100); do
  awk -v prefix="$folder/" 'index($2, prefix) == 1 { print $2 }' /proc/self/mounts | sort -r |
    while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null; done
  find /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name" -depth -type d -exec rmdir {} \; 2>/dev/null
  # Never across what is still mounted.
  rm -rf --one-file-system "$folder" 2>/dev/null
  [ -e "$folder" ] || ls -d /sys/fs/cgroup/*/"$name" /sys/fs/cgroup/"$name" >/dev/null 2>&1 || exit 0
  sleep 0.05
done
echo "$folder or cgroup $name cannot be removed" >&2
exit 1
