#!/bin/sh
# Starts the server: MODEL=DIR [PORT=8000] [DTYPE={{dtype}}] [PYTHON=python3] ./launch.sh
# or ./launch.sh MODEL [PORT] [DTYPE]. It listens on 127.0.0.1 and is ready when GET {{health}} answers 200.
set -eu
MODEL="${1:-${MODEL:?give the folder of the model: MODEL=DIR ./launch.sh}}"
PORT="${2:-${PORT:-8000}}"
DTYPE="${3:-${DTYPE:-{{dtype}}}}"
PYTHON="${PYTHON:-python3}"
SERVER="$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)/server"
MODEL="$(CDPATH= cd -- "$MODEL" && pwd)"
# Without its own caches the folder stays what its manifest says.
export PYTHONDONTWRITEBYTECODE=1
echo "starting on http://127.0.0.1:$PORT, ready when {{health}} answers 200" >&2
cd "$SERVER"
exec {{command}}
