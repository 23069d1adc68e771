#!/bin/sh
# The entry point of both copies. Version 0 is the idle one.
set -eu
if [ "$SIDECARSET_VERSION" = 0 ]; then
  trap 'exit 0' TERM USR1
  while :; do
    sleep 86400 &
    wait $!
  done
fi
rm -f "$BATON_DIR/$SIDECARSET_VERSION.sock"
predecessor=$BATON_DIR/$SIDECARSET_VERSION_ALT.sock
# It gets the listening sockets themselves: what waits in them to be accepted is not lost when the predecessor closes them.
if [ -S "$predecessor" ]; then
  exec haproxy -db -f /haproxy.cfg -x "$predecessor"
fi
exec haproxy -db -f /haproxy.cfg
