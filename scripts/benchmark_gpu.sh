#!/usr/bin/env bash
# All that benchmarks/GPU.md asks for, on one NVIDIA GPU, in under ten minutes:
#     bash scripts/benchmark_gpu.sh [FOLDER] [--budget SECONDS] [options of `gpu`]
# The same command again measures what the budget had no time for.
set -euo pipefail
folder="$(realpath -m "${1:-benchmarks/gpu}")"
shift || true
extras=cuda,bench
source "$(dirname "$0")/setup.sh"
"$python" -m emrnas_jax.benchmark gpu --output "$folder" "$@"
