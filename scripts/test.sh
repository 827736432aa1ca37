#!/usr/bin/env bash
# Lint, types and tests, from nothing: bash scripts/test.sh [arguments of pytest]
# For a quick round: bash scripts/test.sh -m "not slow"
# With another Python: PYTHON=python3.13 bash scripts/test.sh
# Without the check of types: types=no bash scripts/test.sh
set -euo pipefail
extras=dev
source "$(dirname "$0")/setup.sh"
# Every start of Python would compile the package anew.
unset PYTHONDONTWRITEBYTECODE
"$python" -m ruff check .
"$python" -m ruff format --check .
status=0 checker=""
if [ "${types:-yes}" = yes ]; then
  # Beside the tests, which leave a core idle at times.
  found="$(mktemp)"
  "$python" -m pyright --pythonpath "$python" >"$found" 2>&1 &
  checker=$!
  trap 'kill "$checker" 2>/dev/null || true; rm -f "$found"' EXIT
fi
# Two processes: compiling, which is most of the work, uses one core each. Files are
# handed out in the order of tests/conftest.py, slow ones first.
"$python" -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=15 "$@" \
  || status=$?
if [ -n "$checker" ]; then
  wait "$checker" || status=1
  cat "$found"
fi
exit "$status"
