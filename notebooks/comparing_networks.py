# %% [markdown]
# # Comparing networks
#
# This notebook compares several networks in one run. They have the same folds, test
# frames and masks, so that differences are paired. It also shows how to put your own
# network beside them.
#
# The run below is of **reduced size** on phantoms: it ranks nothing. For the comparison
# of the paper's Table 2 use `configs/cardiac.py:table2` and your files.

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
import flax.linen as nn
import jax
import numpy as np
from IPython.display import display

from emrnas_jax.evaluation.comparison import paired_difference
from emrnas_jax.experiment import paper
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.machine import host
from emrnas_jax.models.cascade import Cascade
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import (
    NETWORKS,
    blank_inputs,
    build_network,
    complete_settings,
    parameter_count,
)
from emrnas_jax.reporting.figures.all import score_pictures
from emrnas_jax.reporting.figures.reconstructions import reconstruction_pictures
from emrnas_jax.reporting.studies.pairs import comparison_tables
from emrnas_jax.reporting.tables import fold_table, scores_table
from emrnas_jax.runs.run import read_run

host.prepare(Path("~/.cache/emrnas_jax").expanduser())

# %% [markdown]
# ## As published, and of the same size
#
# A larger network may win by its size alone. So the cascades also come with the number
# of parameters of EMR-NAS (`_matched`, section 3.3 of the paper: more convolutions
# between the data consistencies). At the sizes of the papers:


# %%
def parameters(kind: str, settings: dict) -> int:
    """Return how many parameters a network has; it is not computed for that."""
    network = build_network(kind, complete_settings(kind, settings))
    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda: network.init(key, *blank_inputs()))
    return parameter_count(shapes["params"])


for name in paper.TABLE_2:
    own = {"architecture": "cardiac"} if name == "emrnas" else {}
    print(f"{name:16s} {parameters(name, own):>9,}")

# %% [markdown]
# ## Your own network
#
# A network maps the zero-filled image and the measurement, k-space with its mask, to
# an image. With `Cascade` you write the block between two data consistencies alone; any
# other `flax.linen.Module` with the same call will do. Its settings are the arguments
# of the function that makes it.


# %%
class FarNearBlock(nn.Module):
    """A convolution that sees far, and one that does not."""

    width: int

    @nn.compact
    def __call__(self, features: jax.Array, train: bool) -> jax.Array:  # noqa: ARG002
        """Return the block's features `[batch, height, width, channel]`."""
        far = nn.Conv(self.width, (3, 3), kernel_dilation=4)(features)
        near = nn.Conv(self.width, (3, 3))(nn.leaky_relu(far, 0.2))
        return features + near


def far_near(
    components: int = 3, width: int = 12, consistency: str = "two_step"
) -> nn.Module:
    """Return a cascade of such blocks."""

    def block(name: str) -> FarNearBlock:
        return FarNearBlock(width, name=name)

    return Cascade((block,) * components, LayerSettings(width), consistency)


NETWORKS["far_near"] = far_near

# %% [markdown]
# In the package these are a file, `emrnas_jax/models/far_near.py`, and a line of
# `NETWORKS` in `emrnas_jax/models/networks.py`. The commands know the network then. A
# network that was registered in a notebook must be registered again before it is loaded
# elsewhere.

# %% [markdown]
# ## Settings
#
# `paper.use` makes any networks by name the networks of a run. Two of one kind may
# differ in a setting: `dccnn_real` is `dccnn` with the consistency for real images.
# Copy an entry to add another: the name is free, `kind` says which network it is.

# %% tags=["settings"]
RUN = Path("runs/comparing_networks")
config = load_config("configs/demo.py")
paper.use(config, ["unet", "dccnn", "dccnn_matched", "cddntdc", "emrnas", "far_near"])
paper.reduce_networks(config)
config.networks.far_near_single = config.networks.far_near.copy_and_resolve_references()
config.networks.far_near_single.consistency = "single"

# %%
print(config.networks)

# %% [markdown]
# ## Run
#
# EMR-NAS is searched first; then every network is trained in every fold. You may
# interrupt the cell, and run it again. Networks added to `config` later join the
# finished run, and nothing is trained twice.

# %%
run_protocol(config, RUN)

# %% [markdown]
# ## Tables
#
# "Mean ± std" is over folds, and mostly says how subjects differ. The paired
# differences say which network is better; their intervals come from drawing whole
# subjects anew. An interval that contains 0 leaves it open. Compare the parameters
# before you compare the scores: the reduced sizes of this run are not matched.

# %%
run = read_run(RUN)
display(scores_table(run), *comparison_tables(run)[:1], fold_table(run))

# %%
display(*score_pictures(run), *reconstruction_pictures(run)[:1])

# %% [markdown]
# Compare any other pair by the scores of every test frame:

# %%
first, second = "far_near", "far_near_single"
psnr_db = {
    name: np.concatenate([fold.scores[name].psnr_db for fold in run.folds])
    for name in (first, second)
}
subjects = [name for fold in run.folds for name in fold.scores[first].subject]
found = paired_difference(psnr_db[first], psnr_db[second], 0, subjects)
print(f"{first} - {second}: {found.mean:+.2f} dB [{found.low:+.2f}, {found.high:+.2f}]")

# %% [markdown]
# `python -m emrnas_jax.main --config=configs/cardiac.py:table2 --workdir=runs/table2
# --config.data.path=FOLDER` is the paper's comparison as one command, `table2_small`
# the same at reduced size, `table3` its ablations.
