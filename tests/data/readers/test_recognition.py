import pytest

from emrnas_jax.data.readers.recognition import SOURCES, read_images, recognise
from emrnas_jax.errors import InputError


def test_every_source_knows_its_folder(good_file, source_name):
    source, files = recognise(good_file.parent)
    assert source.name == source_name
    assert files == [good_file]
    images = read_images(good_file)
    assert images
    assert {named.image.dtype.name for named in images} == {source.dtype}
    assert {named.image.shape for named in images} == {(12, 10)}


def test_every_source_has_a_test_file(write_good, tmp_path):
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    for name in names:
        write_good(name, tmp_path)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.5, 0.8])
def test_a_file_cut_short_is_named(good_file, part):
    content = good_file.read_bytes()
    good_file.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=good_file.name):
        read_images(good_file)


def test_a_file_of_zeros_is_named(good_file):
    good_file.write_bytes(bytes(good_file.stat().st_size))
    with pytest.raises(InputError, match=good_file.name):
        read_images(good_file)


def test_notes_and_hidden_files_are_passed_over(good_file, source_name):
    for name in ("README.md", ".DS_Store", f".{good_file.name}", "contours.mat"):
        (good_file.parent / name).write_bytes(b"?")
    (good_file.parent / "folder.h5").mkdir()
    source, files = recognise(good_file.parent)
    assert source.name == source_name
    assert files == [good_file]


def test_brain_masks_are_not_images(write, tmp_path, random):
    path = write.nifti(tmp_path, random.integers(0, 9, (3, 8, 8)).astype("i2"))
    path.with_name("CC0001_philips_15_55_M_ss.nii.gz").write_bytes(path.read_bytes())
    assert recognise(tmp_path)[1] == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be opened"):
        recognise(tmp_path / "nowhere")


def test_an_empty_folder_is_told_what_it_should_hold(tmp_path):
    with pytest.raises(InputError, match=r"no files; (.|\n)*sol_yxzt_patN\.mat"):
        recognise(tmp_path)


def test_unknown_names_are_told_the_known_ones(tmp_path):
    (tmp_path / "heart.png").write_bytes(b"?")
    with pytest.raises(InputError) as caught:
        recognise(tmp_path)
    assert "heart.png" in str(caught.value)
    for source in SOURCES:
        assert source.files in str(caught.value)


def test_two_sources_in_one_folder_are_refused(write_good, tmp_path):
    write_good("york", tmp_path)
    write_good("cardiac_hdf5", tmp_path)
    with pytest.raises(
        InputError, match=r"1 of cardiac_hdf5, such as cardiac_p01\.h5; 1"
    ):
        recognise(tmp_path)


def test_unknown_hdf5_is_an_error_even_among_known(write, write_good, tmp_path, levels):
    write_good("cardiac_hdf5", tmp_path)
    write.hdf5(tmp_path, "other.h5", pictures=levels)
    with pytest.raises(
        InputError, match=r"other\.h5: found the datasets \['pictures'\]"
    ):
        recognise(tmp_path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="expected a file, found a folder"):
        read_images(tmp_path)


def test_york_frames_have_one_name_in_every_format(write, tmp_path, levels):
    formats = [
        write.york(tmp_path, levels.transpose(2, 3, 0, 1) * (2000 / 255), subject=3),
        write.hdf5(tmp_path, attributes={"subject": 3}, frames=levels),
        write.png(tmp_path, levels[1, 2], subject=3, time=3, slice_=1),
    ]
    york, hdf5, png = (
        {n[:3]: n.image.tolist() for n in map_} for map_ in map(read_images, formats)
    )
    assert york == hdf5
    assert png == {("p03", 1, 2): hdf5["p03", 1, 2]}
