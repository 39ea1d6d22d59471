#!/bin/sh
# The library from Debian, and the driver built with it.
set -eu
cd "$(dirname "$0")"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get install --yes --no-install-recommends gcc libc6-dev libhiredis-dev libjson-c-dev
mkdir -p build
gcc -std=gnu11 -O2 -Wall -Wextra -o build/driver driver.c -lhiredis -ljson-c -lpthread
