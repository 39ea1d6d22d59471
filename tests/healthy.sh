#!/bin/sh
# Runs `baseline-steady` with every workload on real memcached, once a release: a healthy cache must
# pass with each of them. Prints a line for each, and ends with 1 when one of them did not.
#
#   tests/healthy.sh [workload...]
#
# Needs `memcached` on PATH and a quiet machine; takes about ten minutes.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --quiet
harness=target/release/harness
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
[ $# -gt 0 ] || set -- $(cd workloads && ls ./*.toml | sed 's|^\./||; s|\.toml$||')
failed=0
for workload in "$@"; do
    # Two operations a second are too few to judge in ten seconds.
    case $workload in idle) length=6m ;; *) length=13s ;; esac
    code=0
    "$harness" -scenario baseline-steady -workload "$workload" -duration "$length" -nodes memcached \
        -listen 127.0.0.1:0 -api 127.0.0.1:0 -out "$out" >"$out/$workload" 2>&1 || code=$?
    verdict=$(sed -n "s/^\([A-Z][A-Z]*\)  baseline-steady.*/\1/p" "$out/$workload")
    printf '%-14s %s\n' "$workload" "${verdict:-did not run}"
    if [ "$code" -ne 0 ]; then
        failed=1
        sed -n '/^[A-Z][A-Z]*  /,/^$/p' "$out/$workload"
        [ -n "$verdict" ] || tail -n 5 "$out/$workload"
    fi
done
exit $failed
