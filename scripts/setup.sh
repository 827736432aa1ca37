# Sourced by the other scripts: a virtual environment with this package.
# Needs Python 3.11 or newer with pip; starts in seconds when nothing changed.
# Two variables change what is set up. `extras` names the extras to install. `PYTHON`
# is the Python to use; it gets an environment of its own, `.venv-3.13` for example, so
# that several can be kept side by side. Without it the first Python found is used, in
# `.venv`.
# (They are no arguments: a sourced script that is given none sees those of the script
# that sources it.)

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
extras="${extras:-}"

# Print the version of a Python that is new enough, such as 3.13.
usable_version() {
  "$1" -c 'import sys
if sys.version_info < (3, 11): sys.exit(1)
print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

environment=.venv
if [ -n "${PYTHON:-}" ]; then
  version="$(usable_version "$PYTHON")" || {
    echo "error: PYTHON=$PYTHON is no Python 3.11 or newer" >&2
    exit 1
  }
  environment=".venv-$version"
fi
python="$environment/bin/python"
stamp="$environment/installed-${extras:-plain}"

if ! "$python" -m pip --version >/dev/null 2>&1; then
  base="${PYTHON:-}"
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    [ -z "$base" ] || break
    if usable_version "$candidate" >/dev/null; then base="$candidate"; fi
  done
  if [ -z "$base" ]; then
    echo "error: no Python 3.11 or newer found; install one and run this again" >&2
    exit 1
  fi
  rm -rf "$environment"
  # Debian's Python has no ensurepip; its pip can then install one into the environment.
  "$base" -m venv "$environment" >/dev/null 2>&1 || {
    rm -rf "$environment"
    "$base" -m venv --without-pip "$environment" \
      && "$base" -m pip --python "$python" install --quiet pip || exit 1
  }
fi
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  "$python" -m pip install --quiet --disable-pip-version-check -e ".${extras:+[$extras]}" \
    || exit 1
  touch "$stamp"
fi
