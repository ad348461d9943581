#!/usr/bin/env bash
# Makes sure that there is a mariadbd, which the tests run in a temporary directory of their own.
# Installs Debian's package where that is possible; otherwise says what to run, and fails.
set -euo pipefail

install=(apt-get install --yes --no-install-recommends mariadb-server)
export DEBIAN_FRONTEND=noninteractive

have() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin:/usr/libexec" command -v "$1" >/dev/null
}

if [ -n "${EBBTIDE_TEST_MYSQL_URL:-}" ]; then
    echo "MySQL: EBBTIDE_TEST_MYSQL_URL names a server; no mariadbd is needed"
    exit 0
fi
if have mariadbd && have mariadb-install-db; then
    echo "MySQL: mariadbd is there"
    exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    as_root=(none)
fi
if [ "${as_root[0]:-}" = none ] || ! command -v apt-get >/dev/null; then
    echo "MySQL: mariadbd is missing, and cannot be installed from here. Run" >&2
    echo "    sudo apt-get update && sudo ${install[*]}" >&2
    echo "(or the like on your system), or set EBBTIDE_TEST_MYSQL_URL to a server that tests may use" >&2
    exit 1
fi

echo "MySQL: mariadbd is missing; installing it: ${install[*]}"
# Only the program is wanted. A policy of 101 keeps the package from starting a service; one that
# the machine has already stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
"${as_root[@]}" apt-get update
"${as_root[@]}" env DEBIAN_FRONTEND="$DEBIAN_FRONTEND" "${install[@]}"

if ! have mariadbd || ! have mariadb-install-db; then
    echo "MySQL: the package came without mariadbd or mariadb-install-db; set EBBTIDE_TEST_MYSQL_URL" >&2
    exit 1
fi
echo "MySQL: mariadbd is installed"
