#!/bin/sh
# The client from Debian, whose Go packages are built without modules, and the driver built with it.
set -eu
cd "$(dirname "$0")"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get install --yes --no-install-recommends golang-go golang-github-bradfitz-gomemcache-dev
GO111MODULE=off GOPATH=/usr/share/gocode go build -o build/driver driver.go
