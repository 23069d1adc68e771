#!/bin/sh
# Waits until its input ends, then removes whatever a place had: `sweep.sh FOLDER NAME` (see place.ts). What is gone already
# is no error: it may run twice at once.
folder=$1 name=$2
cat >/dev/null

for _ in $(seq 100); do
  sh "${0%/*}/end.sh" "$folder" "$name"
  # The kubelet's links to logs, and what the CNI keeps in mind, lie elsewhere.
  find /var/log/containers -lname "$folder/*" -delete 2>/dev/null
  grep -ls "\"$folder/" /var/lib/cni/results/* | while read -r result; do rm -f "$result"; done
  ip link delete "$name" 2>/dev/null
  find /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name" -depth -type d -exec rmdir {} \; 2>/dev/null
  # Never into what is still mounted: it may be a folder of the machine's.
  grep -q " $folder/" /proc/self/mounts || rm -rf --one-file-system "$folder" 2>/dev/null
  left=$(find /sys/fs/cgroup -maxdepth 2 -name "$name" 2>/dev/null)
  [ -e "$folder" ] || [ -n "$left" ] || exit 0
  sleep 0.05
done
echo "$folder or the cgroup $name cannot be removed" >&2
exit 1
