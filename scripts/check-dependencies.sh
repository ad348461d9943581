#!/usr/bin/env bash
# Checks licences and advisories of the dependencies, as far as the tools are installed and work
# without the network. Says what was checked and what was not.
set -euo pipefail

if command -v cargo-deny >/dev/null; then
    echo "dependencies: cargo deny checks licences, bans and sources"
    cargo deny --offline check bans licenses sources
else
    echo "dependencies: licences were not checked: cargo-deny is not installed (cargo install cargo-deny)"
fi

database=${CARGO_HOME:-$HOME/.cargo}/advisory-db
if ! command -v cargo-audit >/dev/null; then
    echo "dependencies: advisories were not checked: cargo-audit is not installed (cargo install cargo-audit)"
elif [ ! -d "$database" ]; then
    echo "dependencies: advisories were not checked: there is no copy at $database (cargo audit fetches one)"
else
    echo "dependencies: cargo audit checks the advisories in $database"
    cargo audit --no-fetch --stale
fi
