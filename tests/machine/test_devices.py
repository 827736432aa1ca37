"""Devices: a batch on several is the batch on one, and one pays nothing for it."""

import os
import platform
from dataclasses import dataclass
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from emrnas_jax.errors import InputError
from emrnas_jax.machine import devices
from emrnas_jax.machine.devices import DIVIDED, SHARED, mean_over_devices, mesh_for


@dataclass(frozen=True)
class OfProcess:
    """Stands for a device of a process."""

    process_index: int
    id: int


def test_a_processor_is_called_by_its_name_and_not_cpu(tmp_path):
    information = tmp_path / "cpuinfo"
    information.write_text("processor\t: 0\nmodel name\t: Fast  One @ 2 GHz\n" * 2)
    assert devices.processor_name(information) == "Fast One @ 2 GHz"
    for text in ("processor\t: 0\n", "model name\t:\n"):
        information.write_text(text)
        assert devices.processor_name(information) == f"CPU ({platform.machine()})"
    assert devices.processor_name(tmp_path / "none").startswith("CPU (")


def test_the_devices_are_named_with_their_number(monkeypatch):
    cores = devices.logical_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    own = f"{devices.processor_name()}, {cores} logical core{'s' * (cores > 1)}"
    assert devices.device_name() == f"{own}, as 4 devices"
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    assert devices.device_name() == own
    gpu = SimpleNamespace(platform="gpu", device_kind="NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(jax, "devices", lambda: [gpu])
    assert devices.device_name() == "NVIDIA H100 80GB HBM3"
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert devices.device_name() == "8 x NVIDIA H100 80GB HBM3"


def test_as_many_devices_as_divide_the_batch_share_it():
    assert jax.device_count() == 4
    sizes = {batch: mesh_for(batch).size for batch in (1, 2, 3, 4, 5, 6, 8)}
    assert sizes == {1: 1, 2: 2, 3: 3, 4: 4, 5: 1, 6: 3, 8: 4}
    assert mesh_for(8, jax.devices()[1:3]).size == 2


def test_every_process_takes_part_with_the_same_number_of_devices():
    found = [OfProcess(process, i) for process in (0, 1) for i in range(3)]
    chosen = mesh_for(8, found).devices.tolist()
    assert chosen == [found[0], found[1], found[3], found[4]]
    assert mesh_for(2, found).size == 2
    assert mesh_for(6, found).size == 6
    with pytest.raises(InputError, match="3 frames cannot be divided among 2"):
        mesh_for(3, found)


def test_the_rows_of_the_only_process_are_all():
    assert devices.rows_of_process(mesh_for(8), 8) == slice(0, 8)


def test_a_batch_is_enlarged_to_what_all_devices_share():
    assert [devices.divisible(batch) for batch in (1, 4, 5, 8)] == [4, 4, 8, 8]


def test_the_mean_is_of_all_parts_and_of_the_whole_where_nothing_is_divided():
    values = jnp.arange(8.0)
    assert mean_over_devices(values) is values
    for batch in (1, 2, 4):
        mesh = mesh_for(batch)
        run = devices.on_every_device(
            lambda part: mean_over_devices(part.mean()), mesh, (DIVIDED,), SHARED
        )
        assert jax.jit(run)(values) == 3.5


def test_one_device_averages_nothing():
    def text(batch):
        run = devices.on_every_device(
            lambda part: mean_over_devices(part.mean()),
            mesh_for(batch),
            (DIVIDED,),
            SHARED,
        )
        return jax.jit(run).lower(jnp.arange(8.0)).as_text()

    assert "all_reduce" in text(2)
    assert "all_reduce" not in text(1)


def test_parts_follow_each_other_in_the_order_of_the_batch():
    def first_and_count(part):
        first, count = devices.part_of_batch(8)
        return jnp.stack([first + 0 * part[0], count + 0 * part[0]])[None]

    for batch in (1, 2, 4):
        specs = (DIVIDED,)
        run = devices.on_every_device(first_and_count, mesh_for(batch), specs, DIVIDED)
        share = 8 // batch
        expected = [[first, share] for first in range(0, 8, share)]
        assert jax.jit(run)(jnp.arange(8)).tolist() == expected


@devices.over_batch
def scaled(factor, image, shift):
    return {"image": factor * image + shift[:, None]}


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 6])
def test_a_function_of_frames_gives_the_same_on_every_number_of_devices(batch):
    image = np.arange(batch * 3, dtype=np.float32).reshape(batch, 3)
    shift = np.arange(batch, dtype=np.float32)
    found = scaled(np.float32(2), image, shift)["image"]
    assert len(found.sharding.device_set) == mesh_for(batch).size
    np.testing.assert_array_equal(found, 2 * image + shift[:, None])


def test_what_one_call_returns_may_enter_another_of_another_size():
    image = scaled(np.float32(2), np.ones((4, 3), np.float32), np.zeros(4, np.float32))
    part = np.asarray(image["image"][:3])
    again = scaled(image["image"][0, 0], part, jnp.zeros(3))
    np.testing.assert_array_equal(again["image"], np.full((3, 3), 4))


def test_arrays_are_put_where_they_belong():
    mesh = mesh_for(4)
    whole = devices.replicate({"a": np.ones((4, 2)), "key": jax.random.key(0)}, mesh)
    assert whole["a"].sharding.is_fully_replicated
    assert len(whole["key"].sharding.device_set) == 4
    sharding = jax.sharding.NamedSharding(mesh, PartitionSpec(None, devices.AXIS))
    part = devices.put(np.ones((2, 4)), sharding)
    assert part.addressable_shards[0].data.shape == (2, 1)
