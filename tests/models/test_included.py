"""The models that come with the package: their files, their size, and what they do."""

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import fixed_mask_key, make_batch
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER, score
from emrnas_jax.inference.trained import load_model
from emrnas_jax.models.included import included_models, lines_of_included
from emrnas_jax.models.model_folder import read_model

MOST_BYTES = 3 * 10**6  # of all models together, in the wheel
SECTIONS = ("trained on", "masks", "quality", "time", "Limits", "not for diagnosis")


def test_they_fit_into_the_wheel():
    assert {"cardiac15", "cardiac5to30"} <= included_models().keys()
    files = [path for folder in included_models().values() for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


@pytest.mark.parametrize("name", included_models())
def test_each_reads_back_and_has_a_card(name):
    folder = included_models()[name]
    config, _, _ = read_model(folder)
    assert config.network.settings["precision"] == "float32"
    assert config.subjects
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert not [section for section in SECTIONS if section not in card]
    assert f"--model={name}" in card
    assert any(line.startswith(f"{name}: ") for line in lines_of_included())


@pytest.mark.parametrize("name", included_models())
def test_the_name_loads_it_unless_a_folder_has_that_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_model(name).folder == included_models()[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", included_models())
def test_on_real_frames_it_is_far_above_zero_filling(name, shared_data, tmp_path):
    file = shared_data / "cardiac" / "cardiac_p01.h5"
    settings = DataSettings(path=str(file), cache=str(tmp_path))
    images, model = open_dataset(settings), load_model(name)
    chosen = [10, 40, 60, 90]
    frames, ids = images.images(chosen), images.frame_ids[chosen]
    batch = make_batch(
        jnp.asarray(frames), jnp.asarray(ids), fixed_mask_key(0), model.sampling
    )
    found = model.apply(model.variables, batch.zero_filled, batch.measurement)
    psnr = [
        np.asarray(score(image, batch, CONVENTIONS[PAPER]).psnr_db).mean()
        for image in (batch.zero_filled, found)
    ]
    assert psnr[1] > psnr[0] + 8
