# %% [markdown]
# # Quick start
#
# From nothing to a searched, trained and tested network, and a reconstruction with it.
# The images are phantoms made on the fly, so no files are needed.
#
# Everything here is at **reduced size** (64 × 64 phantoms, a network of 31 thousand
# parameters, a few epochs): it shows how the package works, not how well the method
# does. About three minutes on two CPU cores.

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
import json

import jax
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.inference import load_model, reconstruct_kspace
from emrnas_jax.machine import host
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.reporting.figures.architectures import architecture_pictures
from emrnas_jax.reporting.figures.reconstructions import reconstruction_pictures
from emrnas_jax.reporting.inline import ReportFrame
from emrnas_jax.reporting.studies.pairs import comparison_tables
from emrnas_jax.reporting.tables import scores_table
from emrnas_jax.runs.run import read_run

# Compiled programs are kept here, so that the next start is faster.
host.prepare(Path("~/.cache/emrnas_jax").expanduser())
print(jax.devices())


def show(images: dict[str, np.ndarray]) -> None:
    """Show images from 0 (black) to 1 (white) in a row."""
    size = (2.4 * len(images), 2.7)
    _, axes = plt.subplots(1, len(images), figsize=size, layout="constrained")
    for axis, (title, image) in zip(axes, images.items(), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    plt.show()


# %% [markdown]
# ## Settings
#
# A config holds every setting of a run; `docs/runs.md` says where each comes from.
# Change what you like before the run begins: `config.search.search_epochs = 10`.

# %% tags=["settings"]
RUN = Path("runs/quick_start")
config = load_config("configs/demo.py")

# %%
print("networks", config.networks, "search", config.search, sep="\n")

# %% [markdown]
# ## Data
#
# The phantoms are beating hearts, a different one for each subject. An image is
# reconstructed from 15 % of the lines of its k-space. Filling the other lines with
# zeros gives the zero-filled image, from which the network starts.

# %%
images = open_dataset(DataSettings(**config.data.to_dict()))
print(len(images), "images of", len(set(images.subjects)), "subjects:", images.shape)
sampling = SamplingSettings(**config.sampling.to_dict()).load()


def measure(image: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k-space of an image where a mask measures it, and the mask."""
    mask = np.asarray(draw_mask(sampling, jax.random.key(seed), image.shape))
    return np.fft.fft2(image, norm="ortho") * mask, mask


image = images[0] / 255
kspace, mask = measure(image, seed=0)
show(
    {
        "image": image,
        "measured lines": np.broadcast_to(np.fft.fftshift(mask), image.shape),
        "zero-filled": np.abs(np.fft.ifft2(kspace, norm="ortho")),
    }
)

# %% [markdown]
# ## Search, train, test
#
# The subjects are divided into three folds. Each fold has a search of its own, on
# training and validation subjects. The ensemble of the three searches is the
# architecture. It is trained from scratch in each fold and scored on subjects that it
# has not seen.
#
# You can interrupt this cell and run it again: it continues where it was. A run with
# other settings needs another folder `RUN`.

# %%
run_protocol(config, RUN)

# %% [markdown]
# ## Results
#
# Differences are paired: both networks reconstruct the same frames with the same masks.
# With so few subjects the interval is only a rough guide.

# %%
run = read_run(RUN)
display(scores_table(run), *comparison_tables(run)[:1])

# %%
display(*reconstruction_pictures(run)[:1], *architecture_pictures(run)[:1])

# %% [markdown]
# Below is the whole report, which is also `report/index.html` in the run's folder (one
# file, to keep or to mail). It adds curves of the search, the folds' subjects and all
# settings.

# %%
ReportFrame(RUN)

# %% [markdown]
# ## Reconstruct
#
# Apply the network of fold 1 to a subject that no fold has. It takes complex k-space
# `[frame, height, width]`, with the zero frequency first, and a mask.

# %%
new = config.copy_and_resolve_references()
new.data.phantom.seed = 1
image = open_dataset(DataSettings(**new.data.to_dict()))[0] / 255
kspace, mask = measure(image, seed=1)

model = load_model(RUN, fold=1)
reconstruction = reconstruct_kspace(model, kspace[None], mask)[0]
zero_filled = np.abs(np.fft.ifft2(kspace, norm="ortho"))


def psnr_db(found: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio for intensities in [0, 1]."""
    return -10 * np.log10(np.mean((found - image) ** 2))


show(
    {
        "image": image,
        f"zero-filled, {psnr_db(zero_filled):.2f} dB": zero_filled,
        f"EMR-NAS, {psnr_db(reconstruction):.2f} dB": reconstruction,
    }
)

# %% [markdown]
# For other programs a run leaves `results.json` and, for each fold and network,
# `scores.csv` with one line per test frame.

# %%
results = json.loads((RUN / "results.json").read_text())
print(results["architecture"])
print((RUN / "fold_1" / "emrnas" / "scores.csv").read_text()[:300])

# %% [markdown]
# The command `python -m emrnas_jax.main --config=configs/demo.py --workdir=FOLDER` does
# the same. The notebooks `own_data` and `comparing_networks` continue from here.
