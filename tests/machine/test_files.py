"""Files are there whole or not at all, whoever writes and whenever it is killed."""

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.machine import files, processes
from emrnas_jax.machine.files import replace_file, write_bytes, write_text


def test_folders_are_made_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a" / "b" / "text.txt"
    write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_keeps_its_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_reader_who_opened_the_old_file_reads_it_to_its_end(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"old content")
    with path.open("rb") as reader:
        assert reader.read(3) == b"old"
        replace_file(path, b"new")
        assert reader.read() == b" content"
    assert path.read_bytes() == b"new"


@pytest.fixture
def second(monkeypatch):
    """Make this process the second of two."""
    monkeypatch.setattr(processes, "several", lambda: True)
    monkeypatch.setattr(processes, "is_first", lambda: False)
    monkeypatch.setattr(processes, "wait", lambda: None)
    monkeypatch.setattr(processes, "everywhere", lambda holds: holds)


@pytest.mark.usefixtures("second")
def test_the_other_processes_write_nothing_and_see_the_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"of the first")
    write_bytes(path, b"of the second")
    assert path.read_bytes() == b"of the first"
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"nowhere was written.*all hosts share"):
        write_bytes(tmp_path / "nowhere", b"")
