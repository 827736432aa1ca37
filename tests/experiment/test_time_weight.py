"""A search by REINFORCE that weighs times, from phantoms to the ensemble."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

import numpy as np
import pytest

from emrnas_jax.evaluation.latency import measured_here
from emrnas_jax.experiment import protocol
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.nas.latency_table import LatencyTable, read_table, write_table
from emrnas_jax.nas.space import OPERATIONS
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.folder import RunFolder

TIMES = [8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


@pytest.mark.slow
def test_alphas_of_a_run_follow_its_table_of_times(tmp_path):
    """The table is in another order than the operations, which are found by name."""
    config, run = load_config("configs/demo.py:tiny"), RunFolder(tmp_path / "run")
    config.data.cache = str(tmp_path / "cache")
    config.folds.count = 2
    given = tmp_path / "table.json"
    config.search.update(method="reinforce", time_weight=10.0, latency=str(given))
    config.search.update(warmup_epochs=0, search_epochs=3, alpha_learning_rate=0.2)
    config.networks.emrnas.cells_per_block = 1
    [search] = Experiment(config, tmp_path / "none").searches
    times = zip([own.name for own in OPERATIONS], TIMES, strict=True)
    table = LatencyTable(
        measured=measured_here(search.kind, search.network, (16, 16), 1, 0),
        jax="0.0",
        rest_ms=0.5,
        operations_ms=dict(sorted(times, key=lambda pair: pair[1])),
    )
    write_table(given, table)
    for stage in ("search", "ensemble"):
        protocol.run_protocol(config, run.path, stage)
    folds = [run.fold(k).search().architecture for k in (1, 2)]
    own = np.array([read_architecture(path)[1] for path in folds])
    # The weight is so large that times outweigh errors.
    assert (own[:, 0] @ TIMES < 0.9 * np.mean(TIMES)).all()
    architecture, mean = read_architecture(run.architecture())
    assert mean is not None
    np.testing.assert_allclose(mean, own.mean(0), atol=1e-6)
    assert architecture.cells == (mean.argmax(),)
    assert read_table(run.latency(), table.measured) == table
    assert not run.front().exists()
