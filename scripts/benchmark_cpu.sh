#!/usr/bin/env bash
# Tables and plots of benchmarks/README.md: bash scripts/benchmark_cpu.sh [FOLDER]
# On two idle cores about 45 minutes. Needs a C++ compiler for torch.compile.
set -euo pipefail
folder="$(realpath -m "${1:-benchmarks/cpu}")"
extras=bench
source "$(dirname "$0")/setup.sh"

benchmark() {
  echo "== $*"
  "$python" -m emrnas_jax.benchmark "$@" || echo "failed: $*" >&2
}

# The longest last, so that a stopped run has the most.
benchmark reconstruct --against torch --size 256 --batch 1,4 --output "$folder/256"
benchmark train-step --against torch --size 256 --batch 4 --output "$folder/256"
benchmark search-step --against torch --size 256 --batch 2,4 --output "$folder/256"
benchmark memory --size 64 --batch 2 --repeats 15 --output "$folder/64"
benchmark reconstruct --against torch --size 128 --batch 1,4,8,32 --output "$folder/128"
benchmark train-step --against torch --size 128 --batch 4,8 --output "$folder/128"
benchmark pipeline --size 128 --batch 8 --output "$folder/128"
benchmark coils --against sigpy,torch --repeats 3 --output "$folder/coils"
benchmark growth --repeats 3 --output "$folder/growth"
benchmark reconstruct --against torch --size 256 --batch 8,32 --output "$folder/256-large"
