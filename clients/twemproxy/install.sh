#!/bin/sh
# nutcracker from Debian, and the client behind it.
set -eu
cd "$(dirname "$0")"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get install --yes --no-install-recommends nutcracker
../install python-memcached
