#!/usr/bin/env bash
# The whole protocol on phantoms, from nothing to a report: bash scripts/demo.sh [FOLDER]
set -euo pipefail
folder="$(realpath -m "${1:-runs/demo}")"
extras=""
source "$(dirname "$0")/setup.sh"
"$python" -m emrnas_jax.main --config=configs/demo.py --workdir="$folder"
