#!/bin/sh
# The postStart hook: returns when this container's process serves.
exec baton migrate
