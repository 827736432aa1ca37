#!/usr/bin/env bash
# Lint, types and tests, from nothing: bash scripts/test.sh [arguments of pytest]
# For a quick round: bash scripts/test.sh -m "not slow"
# With another Python: PYTHON=python3.13 bash scripts/test.sh
# Without the types, which are the same on every Python: types=no bash scripts/test.sh
set -euo pipefail
extras=dev
source "$(dirname "$0")/setup.sh"
# Every start of Python would compile the package anew.
unset PYTHONDONTWRITEBYTECODE
"$python" -m ruff check .
"$python" -m ruff format --check .
# The types are checked beside the tests, which leave a core idle at times.
found="$(mktemp)"
if [ "${types:-yes}" = yes ]; then
  "$python" -m pyright --pythonpath "$python" >"$found" 2>&1 &
else
  true &
fi
checker=$!
trap 'kill "$checker" 2>/dev/null || true; rm -f "$found"' EXIT
status=0
# Two processes: compiling, which is most of the work, uses one core each. Files are
# handed out in the order of tests/conftest.py, slow ones first.
"$python" -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=15 "$@" \
  || status=$?
wait "$checker" || status=1
cat "$found"
exit "$status"
