"""Where kernels cannot be compiled, the program says so and goes on without them."""

import logging

import pytest

from emrnas_jax.kernels import library

needs_compiler = pytest.mark.skipif(
    library.targets() is None, reason="no C++ compiler on this machine"
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Ask anew in every test, and keep the machine's own library as it is."""
    monkeypatch.setattr(library, "CACHE", tmp_path)
    monkeypatch.setattr(library.jax.ffi, "register_ffi_target", lambda *_, **__: None)
    library.targets.cache_clear()
    yield
    library.targets.cache_clear()


@pytest.fixture
def said(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("emrnas_jax"), "propagate", True)
    caplog.set_level(logging.INFO)
    return caplog


@pytest.mark.slow
@needs_compiler
def test_a_second_process_finds_what_the_first_compiled(said, tmp_path):
    names = library.targets()
    made = list(tmp_path.iterdir())
    assert [path.suffix for path in made] == [".so"]
    assert "compiling" in said.text
    said.clear()
    library.targets.cache_clear()
    assert library.targets() == names
    assert list(tmp_path.iterdir()) == made
    assert not said.text


def test_without_a_compiler_xla_is_used_and_that_is_said(said, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert library.targets() is None
    assert "no-such-compiler" in said.text


def test_a_compiler_that_fails_is_named(said, monkeypatch, tmp_path):
    broken = tmp_path / "broken-c++"
    broken.write_text(
        "#!/bin/sh\n[ $1 = --version ] && exit\necho 'is broken' >&2; exit 1"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert library.targets() is None
    assert "is broken" in said.text
    assert not list(tmp_path.glob("*.so"))


def test_the_kernels_can_be_switched_off(said, monkeypatch):
    monkeypatch.setenv("EMRNAS_NATIVE", "0")
    assert library.targets() is None
    assert not said.text


@needs_compiler
def test_a_change_of_the_sources_gives_another_library(monkeypatch, tmp_path):
    compiler = library._compiler()
    before = library._digest(compiler)
    for source in library.FOLDER.glob("*.cpp"):
        (tmp_path / source.name).write_text(source.read_text() + "\n// changed\n")
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert library._digest(compiler) != before
