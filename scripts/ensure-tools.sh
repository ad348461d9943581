#!/usr/bin/env bash
# Checks that the named programs are there; says all that are missing, each with its remedy.
set -euo pipefail

remedy() {
    case $1 in
        cargo) echo "install Rust from https://rustup.rs" ;;
        cc) echo "install a C compiler: apt-get install build-essential" ;;
        npm) echo "install npm, which fetches libchdb: apt-get install npm" ;;
        *) echo "install $1" ;;
    esac
}

missing=0
for program in "$@"; do
    if ! command -v "$program" >/dev/null; then
        echo "missing: $program; $(remedy "$program")" >&2
        missing=1
    fi
done
exit "$missing"
