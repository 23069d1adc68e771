#!/bin/sh
# The postStart hook: returns when HAProxy of this container listens. It binds its own socket last.
set -eu
[ "$SIDECARSET_VERSION" = 0 ] && exit 0
tries=0
until [ -S "$BATON_DIR/$SIDECARSET_VERSION.sock" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 600 ]; then
    echo "HAProxy does not listen after 60 s" >&2
    exit 1
  fi
  sleep 0.1
done
