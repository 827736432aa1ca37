"""The benchmark of several coils: what is timed computes what it says."""

import json

import numpy as np
import pytest

from emrnas_jax.benchmark import coils
from emrnas_jax.benchmark.command import main
from emrnas_jax.benchmark.programs import Program
from emrnas_jax.errors import InputError

SHAPE, COILS = (64, 96), 4


@pytest.fixture(scope="module")
def data():
    return coils.measured_slice(COILS, SHAPE)


def test_a_slice_is_the_phantom_that_the_coils_saw(data):
    assert data.kspace.shape == (COILS, *SHAPE)
    maps, mask = (np.asarray(part[0]) for part in data.measurement[:0:-1])
    expected = np.fft.fft2(maps * data.image, norm="ortho")
    rest = np.where(mask, data.kspace - expected, 0)
    measured = np.broadcast_to(mask, rest.shape)
    noise = np.real(rest[measured]).std()
    assert noise == pytest.approx(coils.NOISE, rel=0.1)
    assert not np.asarray(data.kspace)[~measured].any()


@pytest.mark.slow
def test_sigpy_computes_the_same_and_is_timed_beside(capsys):
    height, width = SHAPE
    flags = ["--against=sigpy", "--repeats=1", "--json", f"--coils={COILS}"]
    main(["coils", *flags, f"--height={height}", f"--width={width}"])
    rows = {row["label"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {"espirit", "sense", "tv", "varnet", "half_resolution"}
    for label in ("espirit", "sense", "tv"):
        row = rows[label]
        assert row["sigpy_ratio"] == pytest.approx(row["step_ms"] / row["sigpy_ms"])
        assert row["sigpy_mib"] > 0
    assert rows["sense"]["nrmse"] == pytest.approx(rows["sense"]["sigpy_nrmse"], 1e-3)
    assert rows["tv"]["nrmse"] < rows["sense"]["nrmse"]
    assert rows["half_resolution"]["parameters"] > 300_000
    assert "sigpy_ms" not in rows["half_resolution"]


@pytest.mark.slow
def test_a_peer_that_computes_something_else_is_not_timed(data, monkeypatch):
    from sigpy.mri import app

    class Other:
        def __init__(self, *_, **__):
            pass

        def run(self):
            return np.ones((COILS, *SHAPE), np.complex64) / COILS

    maps = np.zeros((1, COILS, *SHAPE), np.complex64)
    maps[:, 0] = 1
    monkeypatch.setattr(app, "EspiritCalib", Other)
    ours = {"espirit": coils.Ours(Program(lambda: (maps, None), 0.0, 0.0))}
    with pytest.raises(InputError, match=r"maps agree by 0\.250"):
        coils._sigpy_runs(data, ours)


@pytest.mark.slow
def test_pytorch_computes_the_same_variational_network():
    pytest.importorskip("torch")
    data = coils.measured_slice(COILS, (40, 44))
    ours = coils._programs(data)["varnet"]
    assert coils._torch_runs(data, ours).keys() == {"eager", "compile"}
