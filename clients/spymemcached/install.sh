#!/bin/sh
# The client from Debian, and the driver compiled with it.
set -eu
cd "$(dirname "$0")"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get install --yes --no-install-recommends libspymemcached-java libgoogle-gson-java
command -v javac >/dev/null || as_root apt-get install --yes --no-install-recommends default-jdk-headless
jars=/usr/share/java
javac -Xlint:all,-auxiliaryclass -cp "$jars/spymemcached.jar:$jars/gson.jar" -d build ../lib/harness_driver.java driver.java
