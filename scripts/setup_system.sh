#!/bin/sh
# What must be on the system: Python 3.11 with venv, and bubblewrap on Linux. As root on Debian they are
# installed; otherwise a clear sentence says what is missing.
set -eu

missing=""
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || missing="$missing python3"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ "$(uname -s)" = Linux ]; then
    command -v bwrap >/dev/null 2>&1 || missing="$missing bubblewrap"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "VibeServe needs these on the system, and only an administrator can install them:" >&2
    echo "    apt-get install$missing     (or your distribution's packages of these names)" >&2
    echo "Python must be 3.11 or newer. Then call make again." >&2
    exit 1
fi
apt-get update -q
# shellcheck disable=SC2086 - the names are separate words
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
