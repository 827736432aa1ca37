#!/usr/bin/env bash
# Lint, types and tests, from nothing: bash scripts/test.sh [arguments of pytest]
# For a quick round: bash scripts/test.sh -m "not slow"
set -euo pipefail
extras=dev
source "$(dirname "$0")/setup.sh"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/pyright --pythonpath "$python"
# Two processes: compiling, which is most of the work, uses one core each.
.venv/bin/pytest -q -n 2 --dist loadfile --durations=15 "$@"
