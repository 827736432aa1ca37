#!/usr/bin/env bash
# Print the path of the newest released Python on this machine: those on PATH, and
# those that pyenv keeps.
set -euo pipefail
shopt -s nullglob
{
  compgen -c python3. | grep -xE 'python3\.[0-9]+' || true
  printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3
} | sort -u | while read -r candidate; do
  "$candidate" -c 'import sys
if sys.version_info.releaselevel == "final":
    print(*sys.version_info[:3], sep=".", end=" ")
    print(sys.executable)' 2>/dev/null || true
done | sort -V | tail -n 1 | cut -d' ' -f2-
