"""Compile the C++ kernels of this folder once per machine, and give them to XLA.

XLA's own 3x3 convolutions of 16 channels reach half the arithmetic speed of a CPU, and
their gradients less inside `switch` and `scan`. The kernels here need a C++ compiler
(`c++`, `g++` or `clang++`, or the one that the variable CXX names). Without one, or
with EMRNAS_NATIVE=0, XLA's convolutions are used instead and give the same results.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax

LOG = logging.getLogger("emrnas_jax")

FOLDER = Path(__file__).parent
CACHE = Path("~/.cache/emrnas_jax/native")
SYMBOLS = (
    "emrnas_convolve",
    "emrnas_kernel_gradient",
    "emrnas_convolve_bf16",
    "emrnas_kernel_gradient_bf16",
)
# Compilers for ARM call the flag by another name.
MACHINE = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else None
FLAGS = ("-std=c++17", "-O3", MACHINE or "-march=native", "-w", "-fPIC", "-shared")


@functools.cache
def targets() -> dict[str, str] | None:
    """Return XLA's name of each symbol, or None where the kernels cannot be used.

    The first call on a machine compiles for about five seconds.
    """
    if jax.default_backend() != "cpu" or os.environ.get("EMRNAS_NATIVE") == "0":
        return None
    try:
        digest, library = _library()
    except (OSError, subprocess.SubprocessError) as error:
        LOG.warning(
            "the CPU kernels could not be compiled (%s); XLA's convolutions, half as "
            "fast, are used. Install a C++17 compiler, or set CXX to one",
            _reason(error),
        )
        return None
    # The digest in the name keeps XLA's cache of compiled programs from joining a
    # program with kernels that it was not compiled for.
    names = {symbol: f"{symbol}_{digest}" for symbol in SYMBOLS}
    for symbol, name in names.items():
        handler = jax.ffi.pycapsule(getattr(library, symbol))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return names


@functools.cache
def has_matrix_units() -> bool:
    """Return whether the kernels of bfloat16 maps can be used on this machine.

    They need AMX, which Intel's server CPUs have since 2023, and Linux.
    """
    return targets() is not None and bool(_library()[1].emrnas_has_amx())


def _library() -> tuple[str, ctypes.CDLL]:
    compiler = _compiler()
    digest = _digest(compiler)
    path = CACHE.expanduser() / f"kernels-{digest}.so"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _compile(compiler, path)
    except OSError:  # a home that cannot be written: for this process alone
        path = Path(tempfile.mkdtemp(prefix="emrnas-")) / path.name
        _compile(compiler, path)
    return digest, ctypes.CDLL(str(path))


def _compiler() -> str:
    named = os.environ.get("CXX")
    for name in (named,) if named else ("c++", "g++", "clang++"):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(f"found no compiler {named or 'c++, g++ or clang++'}")


def _digest(compiler: str) -> str:
    """Return a checksum of sources, compiler, XLA's interface and machine."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True)
    parts = [path.read_bytes() for path in _sources("*")]
    parts += [version.stdout, jax.__version__.encode(), repr(FLAGS).encode()]
    parts += [platform.processor().encode(), platform.machine().encode()]
    information = Path("/proc/cpuinfo")
    if information.exists():  # the instructions that -march=native stands for
        lines = information.read_text().splitlines()
        parts += [line.encode() for line in lines if line.startswith(("flags", "Feat"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _sources(suffix: str) -> list[Path]:
    return sorted(path for path in FOLDER.glob(f"*.{suffix}") if path.suffix != ".py")


def _compile(compiler: str, path: Path) -> None:
    LOG.info("compiling the CPU kernels, once for this machine")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        # Each file by itself and side by side, so that several cores share the work.
        with ThreadPoolExecutor() as pool:
            objects = list(
                pool.map(partial(_object, compiler, folder), _sources("cpp"))
            )
        _run([compiler, *FLAGS, *objects, "-o", str(made)])
        made.rename(path)  # whole, or not there: another process may look for it


def _object(compiler: str, folder: str, source: Path) -> str:
    """Compile one file, and return the path of its object file."""
    made = str(Path(folder) / f"{source.stem}.o")
    include = f"-I{jax.ffi.include_dir()}"
    _run([compiler, *FLAGS, include, "-c", str(source), "-o", made])
    return made


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=True, text=True)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        words = str(error.stderr or "").strip().splitlines()
        return f"{error.cmd[0]}: {words[0] if words else error.returncode}"
    return str(error)
