# %% [markdown]
# # Your own data
#
# From a folder of images to a network fitted to them, and from under-sampled k-space to
# images that other programs read.
#
# The settings below are of **reduced size**, for a first look that takes minutes. The
# last section says what to change for the size of the paper.

# %% [markdown]
# ## Install
#
# - **From a clone**: `python -m pip install -e .` (`".[cuda]"` for an NVIDIA GPU,
#   `".[tpu]"` for a TPU), then start Jupyter with that Python. Nothing to change here.
# - **On Colab**: choose a runtime with a GPU, and set `REPOSITORY` to the address that
#   `git clone` takes and `EXTRA` to the runtime's kind. After "Restart session" run the
#   cell again: it uses the clone that is there.

# %%
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = ""
EXTRA = ""  # "[cuda]" or "[tpu]"

if not Path("configs").is_dir():
    if "google.colab" in sys.modules:
        if not Path("clone", "configs").is_dir():
            assert REPOSITORY, "set REPOSITORY to the address that git clone takes"
            get = ["git", "clone", "--depth=1", REPOSITORY, "clone"]
            subprocess.run(get, check=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", f"./clone{EXTRA}"]
        subprocess.run(install, check=True)
        os.chdir("clone")
    else:
        os.chdir("..")  # Jupyter starts in the folder of the notebook
assert Path("configs").is_dir(), "start Jupyter in the notebooks folder of the clone"

# %%
import shutil

import h5py
import jax
import matplotlib.pyplot as plt
import nibabel
import numpy as np
import scipy.io
from IPython.display import Image, display

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.folds import make_folds
from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.readers.recognition import SOURCES, recognise
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.inference import load_model, reconstruct_kspace
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.machine import host
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.reporting.figures.reconstructions import reconstruction_pictures
from emrnas_jax.reporting.studies.pairs import comparison_tables
from emrnas_jax.reporting.tables import scores_table
from emrnas_jax.runs.run import read_run

host.prepare(Path("~/.cache/emrnas_jax").expanduser())

# %% [markdown]
# ## Settings
#
# `FOLDER` is where your images are: a path, on Colab also one on a mounted Drive
# (`/content/drive/MyDrive/...`). `height` and `width` are cut from the middle of each
# image, then blocks of `downsample` pixels a side are averaged. For complex images use
# `configs/brain.py:complex`.

# %% tags=["settings"]
FOLDER = Path("runs/own_data/images")
RUN = Path("runs/own_data/run")
phantoms = PhantomSettings(subjects=9, slices=2, frames=5, size=128)

config = load_config("configs/cardiac.py:small")
config.data.path = str(FOLDER)
config.data.height = config.data.width = 128
config.data.downsample = 2

# %% [markdown]
# No files at hand? Where `FOLDER` does not exist this cell fills it with phantoms, one
# HDF5 file per subject.

# %%
if not FOLDER.exists():
    FOLDER.mkdir(parents=True)
    grid = (phantoms.slices, phantoms.frames, phantoms.size, phantoms.size)
    for number in range(phantoms.subjects):
        levels = [named.image for named in subject_images(phantoms, False, number)]
        with h5py.File(FOLDER / f"subject_{number:02d}.h5", "w") as file:
            file["frames"] = np.reshape(levels, grid)

# %% [markdown]
# ## What is recognised
#
# Files are recognised by name or content, and a folder holds files of one kind.

# %%
for source in SOURCES:
    print("-", source.files)

source, files = recognise(FOLDER)
print(f"\n{FOLDER}: {len(files)} files of {source.name}, such as {files[0].name}")

# %% [markdown]
# Write images of any other form as one of these. The cell above that writes phantoms
# shows how for 8-bit magnitudes; complex images become a dataset `images`
# `[image, row, column]`.

# %%
images = open_dataset(DataSettings(**config.data.to_dict()))
print(f"{len(images)} images of {len(set(images.subjects))} subjects, {images.shape}")

some = images.images(np.linspace(0, len(images) - 1, 5).astype(int))
_, axes = plt.subplots(1, len(some), figsize=(12, 2.6), layout="constrained")
for axis, image in zip(axes, some, strict=True):
    axis.imshow(np.hypot(*np.moveaxis(image, -1, 0)) if image.ndim == 3 else image)
    axis.set_axis_off()
plt.set_cmap("gray")
plt.show()

# %% [markdown]
# ## Folds
#
# Neighbouring frames of one subject are nearly equal, so folds are drawn by subject: no
# subject is both trained on and tested. The run writes them to `folds.json`.

# %%
folds = make_folds(
    images.subjects, config.folds.count, config.seed, config.folds.validation
)
for number, fold in enumerate(folds, 1):
    print(f"fold {number}")
    print("  test      ", *fold.test)
    print("  validation", *fold.validation)
    print("  training  ", *fold.train)

# %% [markdown]
# ## Search, train, test
#
# Interrupt the cell at any time; run it again and it continues.

# %%
run_protocol(config, RUN)

# %%
run = read_run(RUN)
display(
    scores_table(run), *comparison_tables(run)[:1], *reconstruction_pictures(run)[:1]
)

# %% [markdown]
# ## Under-sampled k-space: arrays
#
# `reconstruct_kspace` takes complex k-space `[frame, height, width]` as
# `numpy.fft.fft2(image, norm="ortho")` gives it, zero frequency first.
# `emrnas_jax.mri.fourier.from_centred_kspace` converts fastMRI's. Here it is simulated
# from frames that fold 1 tested, so the network has not seen their subject.

# %%
tested = np.flatnonzero([subject in folds[0].test for subject in images.subjects])[:2]
frames = images.images(tested)
complete = np.fft.fft2(frames, norm="ortho")
model = load_model(RUN, fold=1)
mask = np.asarray(draw_mask(model.sampling, jax.random.key(0), images.shape))
kspace = np.where(mask, complete, 0)

reconstruction = reconstruct_kspace(model, kspace, mask)
print(reconstruction.shape, reconstruction.dtype, f"{mask.mean():.1%} measured")

# %% [markdown]
# ## Under-sampled k-space: files
#
# Files are HDF5 or `.npz` with `kspace`, and `mask` if there is one. Unless
# `kspace_convention` says otherwise, k-space is taken as fastMRI's, with zero frequency
# and image in the middle. A file that cannot be used is reported and the others go on.
# Beside each result lies a picture of its middle frame.

# %%
scans, results = RUN.parent / "scans", RUN.parent / "results"
scans.mkdir(exist_ok=True)
np.savez(scans / "scan.npz", kspace=kspace, mask=mask, kspace_convention="plain")

how = Reading(model.record.images, model.record.sampling["phase_encode"])
reconstruct_files(model, Settings(scans, results, how, overwrite=True))
display(Image(results / "scan.png"))

# %% [markdown]
# The command `python -m emrnas_jax.reconstruct --model=RUN --input=scans
# --output=results` does the same.

# %% [markdown]
# ## Export
#
# Results are HDF5 files with `reconstruction` `[frame, row, column]` on the scale of
# the scan. NIfTI needs the position of the slices, which k-space does not hold: put
# your scan's affine in place of the unit matrix.

# %%
with h5py.File(results / "scan.h5") as file:
    print(*file)
    volume = np.asarray(file["reconstruction"])

scipy.io.savemat(results / "scan.mat", {"reconstruction": volume})
affine = np.eye(4)
nibabel.save(
    nibabel.Nifti1Image(np.moveaxis(volume, 0, -1), affine), results / "scan.nii.gz"
)

# %% [markdown]
# A network needs nothing but its own folder: copy it anywhere, and load it from there.

# %%
shutil.copytree(model.folder, RUN.parent / "network", dirs_exist_ok=True)
shutil.make_archive(str(RUN.parent / "network"), "zip", RUN.parent / "network")
copied = load_model(RUN.parent / "network")
print(copied.record.settings)
assert np.array_equal(reconstruct_kspace(copied, kspace, mask), reconstruction)

# %% [markdown]
# ## At full size
#
# Start from `load_config("configs/cardiac.py")`, set the path and the size of your
# files, and leave the rest. The paper needed about half a day per fold on one GPU, so
# use the command, which needs no notebook to stay open:
#
# ```
# python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/mine \
#     --config.data.path=FOLDER
# ```
