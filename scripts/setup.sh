# Sourced by the other scripts: a virtual environment in .venv with this package.
# Needs Python 3.11 or newer with pip; starts in seconds when nothing changed.
# The variable `extras` says which to install. (Not an argument: a sourced script that
# is given none sees those of the script that sources it.)

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
extras="${extras:-}"
python=.venv/bin/python
stamp=".venv/installed-${extras:-plain}"

if ! "$python" -m pip --version >/dev/null 2>&1; then
  base=""
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      base="$candidate"
      break
    fi
  done
  if [ -z "$base" ]; then
    echo "error: no Python 3.11 or newer found; install one and run this again" >&2
    exit 1
  fi
  rm -rf .venv
  # Debian's Python has no ensurepip; its pip can then install one into the environment.
  "$base" -m venv .venv >/dev/null 2>&1 || {
    rm -rf .venv
    "$base" -m venv --without-pip .venv \
      && "$base" -m pip --python "$python" install --quiet pip || exit 1
  }
fi
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  "$python" -m pip install --quiet --disable-pip-version-check -e ".${extras:+[$extras]}" \
    || exit 1
  touch "$stamp"
fi
