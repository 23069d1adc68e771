#!/bin/sh
# Ends every process of a cgroup, and unmounts all that is mounted below a folder: `end.sh FOLDER CGROUP`. What is gone
# already is no error: it may run twice at once.
folder=$1 cgroup=$2

processes() {
  find /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | grep -vx 0
}
# One may be starting another.
for _ in $(seq 100); do
  left=$(processes) || break
  kill -s KILL $left 2>/dev/null
  sleep 0.05
done
# The shims' sockets lie elsewhere.
find "$folder" -path '*/io.containerd.runtime.v2.task/*/address' -exec cat {} + 2>/dev/null |
  grep -o '/run/containerd/s/[0-9a-f]*' | while read -r socket; do rm -f "$socket"; done
awk -v prefix="$folder/" 'index($2, prefix) == 1 { print $2 }' /proc/self/mounts | sort -r |
  while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null; done
# No container is left in it, but the cgroup itself goes on.
find /sys/fs/cgroup/"$cgroup"/kubepods /sys/fs/cgroup/*/"$cgroup"/kubepods -depth -type d -exec rmdir {} \; 2>/dev/null
exit 0
