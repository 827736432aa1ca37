import json
from typing import Any

import jax
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.inference import load_model
from emrnas_jax.models.total_variation import STRENGTH
from emrnas_jax.mri.measurement import Measurement


def test_a_network_is_found_from_every_folder_around_it(make_model):
    folder = make_model()
    run = folder.parent.parent
    for path in (run, run / "fold_1", folder, folder / "checkpoints"):
        model = load_model(path)
        assert (model.folder, model.step) == (folder, 7)
    assert load_model(folder / "checkpoints" / "7").step == 7
    assert load_model(str(run), fold=1, network="emrnas").folder == folder


def test_what_is_no_model_is_named_with_a_way_out(make_model, tmp_path):
    folder = make_model()
    run = folder.parent.parent
    for path, fold, network, message in (
        (tmp_path / "nowhere", None, None, "found nothing"),
        (folder / "network.json", None, None, "found a file"),
        (tmp_path, None, None, "not a model"),
        (run, 3, None, "no fold_3; it has fold_1"),
        (run, None, "unet", "no trained network 'unet'; it has emrnas"),
        (folder, 2, None, "leave out --fold"),
    ):
        with pytest.raises(InputError, match=message):
            load_model(path, fold, network)


def test_a_run_that_trained_nothing_yet_says_so(make_model, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="nothing was trained here yet"):
        load_model(tmp_path)
    (tmp_path / "fold_1" / "search").mkdir(parents=True)
    with pytest.raises(InputError, match="no network was trained here yet"):
        load_model(tmp_path)
    record = (make_model() / "network.json").read_text()
    (tmp_path / "fold_1" / "emrnas" / "checkpoints").mkdir(parents=True)
    (tmp_path / "fold_1" / "emrnas" / "network.json").write_text(record)
    with pytest.raises(InputError, match="holds no checkpoint"):
        load_model(tmp_path)


def test_a_damaged_checkpoint_or_record_is_refused(make_model):
    folder = make_model(name="damaged")
    record = folder / "network.json"
    text = record.read_text()
    record.write_text(text[:40])
    with pytest.raises(InputError, match=r"network\.json: damaged"):
        load_model(folder)
    record.write_text(text)
    for file in (folder / "checkpoints" / "7" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(InputError, match="cannot be read"):
        load_model(folder)


def test_a_checkpoint_being_saved_by_a_training_is_left_alone(make_model):
    folder = make_model()
    unfinished = folder / "checkpoints" / "9.orbax-checkpoint-tmp"
    unfinished.mkdir()
    try:
        assert load_model(folder).step == 7
        assert unfinished.exists()
    finally:
        unfinished.rmdir()


def test_another_precision_than_that_of_the_training_can_be_asked_for(make_model):
    folder = make_model()
    assert "precision" not in load_model(folder).record.settings
    model = load_model(folder, precision="bf16")
    assert model.record.settings["precision"] == "bf16"
    image = np.zeros((1, 16, 16, 2), np.float32)
    kspace, mask = np.ones((1, 16, 16), np.complex64), np.ones((1, 16, 1), bool)
    measurement: Any = Measurement(kspace, mask)  # pyright: ignore
    rounded = "bf16[1,16,16,4]"
    for one, found in ((model, True), (load_model(folder), False)):
        traced = jax.make_jaxpr(one.apply)(one.variables, image, measurement)
        assert (rounded in str(traced)) == found
    with pytest.raises(InputError, match=r"'half'.*bf16"):
        load_model(folder, precision="half")


def test_total_variation_needs_no_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = load_model("tv")
    assert (model.folder, model.record.kind) == (None, "tv")
    assert model.variables["params"]["strength"] == np.float32(STRENGTH)
    assert model.record.images == "magnitude"
    assert load_model("tv", images="complex").record.images == "complex"
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"fold": 1}, "not a run; leave out --fold"),
        ({"network": "tv"}, "leave out --fold and --network"),
        ({"precision": "bf16"}, "float32 alone"),
        ({"images": "phase"}, "'phase'; use magnitude or complex"),
    )
    for arguments, message in refused:
        with pytest.raises(InputError, match=message):
            load_model("tv", **arguments)


def test_a_folder_called_tv_comes_before_total_variation(
    make_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tv").symlink_to(make_model().parent.parent)
    assert load_model("tv", fold=1).record.kind == "emrnas"
    with pytest.raises(InputError, match="--images=complex is for --model=tv and"):
        load_model("tv", images="complex")


def test_an_unfinished_training_is_reported(make_model, caplog):
    folder = make_model(name="fold_1/unfinished")
    (folder / "training.json").write_text('{"steps": 9}')
    model = load_model(folder)
    assert "unfinished, step 7 of 9" in model.unfinished
    assert f"{folder}: the network's training is unfinished" in caplog.text
    assert "(unfinished)" in repr(model)
    caplog.clear()
    (folder / "training.json").write_text('{"steps": 7}')
    assert not load_model(folder).unfinished
    assert not caplog.text


def test_a_model_is_shown_in_a_line_without_its_weights(make_model):
    text = repr(load_model(make_model()))
    assert text.startswith("TrainedNetwork(emrnas [O8], ")
    assert "parameters, magnitude images of 16 x 16, step 7, " in text
    assert len(text.splitlines()) == 1
    assert "1 parameter," in repr(load_model("tv"))


def test_the_subjects_of_its_training_are_known(make_model):
    folder = make_model(name="fold_2/emrnas")
    parts = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    other = {"train": ["d"], "validation": ["c"], "test": ["a", "b"]}
    manifest = folder.parent.parent / "folds.json"
    manifest.write_text(json.dumps({"folds": [other, parts]}))
    assert load_model(folder).subjects == {"a", "b", "c"}
