"""The way in to the images of an experiment: `open_dataset`.

It reads a folder of files, or makes phantoms, once, and keeps the images in the cache.
"""

import dataclasses
import logging
from functools import partial
from pathlib import Path
from typing import Any

from emrnas_jax.data.data_settings import DataSettings
from emrnas_jax.data.image_set import ImageSet
from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.readers.kspace_conventions import CONFIG
from emrnas_jax.data.readers.kspace_scan import kspace_source
from emrnas_jax.data.readers.recognition import KSPACE, firsts, recognise
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.data.readers.source import read_file
from emrnas_jax.data.records import (
    Recipe,
    file_fingerprint,
    hash_of,
    open_records,
)
from emrnas_jax.errors import InputError
from emrnas_jax.machine.setting_types import section_of

LOG = logging.getLogger("emrnas_jax")


def open_dataset(settings: DataSettings) -> ImageSet:
    """Open the images of `settings`; the first time, build their cache.

    Raises:
        InputError: a file or a setting cannot be used.
    """
    if settings.path == "phantom" and settings.coils:
        raise InputError(
            f"data.coils: found {settings.coils}, and phantoms have no coils; set "
            "data.simulated_coils instead"
        )
    if settings.path == "phantom":
        name, recipe = _phantom_recipe(settings)
    else:
        name, recipe = _folder_recipe(settings)
    records = open_records(recipe, Path(settings.cache).expanduser())
    return ImageSet(name, records, settings)


def _folder_recipe(settings: DataSettings) -> tuple[str, Recipe]:
    path = Path(settings.path).expanduser()
    source, files = recognise(path)
    label = f"{source.name}-{hash_of(str(path.resolve()))}"
    declared: list[Any] = [settings.kspace_convention, settings.fully_sampled]
    # Beside the others alone where there are coils: caches of one coil keep their name.
    declared += [settings.coils] if settings.coils else []
    if source is KSPACE:
        how = Reading(
            images="complex",
            phase_encode="rows",  # of no use to complete k-space
            convention=settings.kspace_convention,
            fully_sampled=settings.fully_sampled,
            form=CONFIG,
            coils=settings.coils,
        )
        source = kspace_source(how)
        # Declared otherwise, the same files give other images, in a build beside.
        label = f"{source.name}-{hash_of([str(path.resolve()), *declared])}"
    elif any(declared):
        raise InputError(
            f"{path}: data.kspace_convention, data.fully_sampled and data.coils are "
            f"for k-space, and these are files of {source.name}; leave them out (coils "
            "around images are data.simulated_coils)"
        )
    # Magnitudes have lost their phase; a phase of zero would be another task.
    is_complex = source.dtype == "complex64" or settings.coils
    if settings.images == "complex" and not is_complex:
        raise InputError(
            f"{path}: data.images asks for complex images, {source.name} holds "
            "magnitudes; set data.images to magnitude"
        )
    parts = firsts(files, source.together)
    if words := source.about(parts[0]):
        LOG.info("%s: %s", parts[0], words)
    return source.name, Recipe(
        label=label,
        # All of them: those of a series change its images too.
        fingerprint=file_fingerprint(files),
        dtype=source.dtype,
        parts=parts,
        read=partial(read_file, source),
        coils=settings.coils,
    )


def _phantom_recipe(settings: DataSettings) -> tuple[str, Recipe]:
    phantom = section_of(settings.phantom, "data.phantom", PhantomSettings)
    is_complex = settings.images == "complex"
    name = f"phantom_{phantom.kind}"
    made_from = hash_of([dataclasses.astuple(phantom), is_complex])
    return name, Recipe(
        label=f"{name}-{made_from}",
        fingerprint=made_from,
        dtype="complex64" if is_complex else "uint8",
        parts=range(phantom.subjects),
        read=partial(subject_images, phantom, is_complex),
    )
