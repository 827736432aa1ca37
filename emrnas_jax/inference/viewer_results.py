"""The files for viewers beside the results of `reconstruct`.

They are written from the HDF5 of a result, so one that is done gets them later too.
"""

import dataclasses

from emrnas_jax.data.readers.geometry import Geometry
from emrnas_jax.inference.plan import Job
from emrnas_jax.inference.scan_files import ReconstructedScan
from emrnas_jax.inference.scans import geometry_of
from emrnas_jax.inference.summary import Outcome
from emrnas_jax.inference.viewer_files import geometry_warnings, write_for_viewer
from emrnas_jax.inference.viewer_images import read_viewer_images


def write_viewer_files(job: Job) -> None:
    """Write the files for viewers of a result, if any are wanted.

    Raises:
        InputError: the input changed or is gone, or something else has their name.
        OSError: they cannot be written.
    """
    if job.viewer is None:
        return
    images = read_viewer_images(job.result)
    geometry = _geometry(job, images.magnitudes.shape[1:])
    write_for_viewer(job.viewer, job.format, images._replace(geometry=geometry))


def complete_viewer_files(job: Job) -> None:
    """Write the files for viewers of a result that is done, unless they are up to date.

    Raises:
        InputError: as `write_viewer_files`.
        OSError: as `write_viewer_files`.
    """
    viewer = job.viewer
    if viewer is None:
        return
    # A result may have been replaced since, by a command that wanted no such files.
    changed = job.result.stat().st_mtime_ns
    if not viewer.exists() or viewer.stat().st_mtime_ns < changed:
        write_viewer_files(job)


def with_geometry(outcome: Outcome, job: Job, scan: ReconstructedScan) -> Outcome:
    """Return the outcome of a file with what viewers will not know of its scan."""
    if job.viewer is None:
        return outcome
    geometry = _geometry(job, scan.reconstruction.shape[1:])
    warnings = (*outcome.warnings, *geometry_warnings(job.format, geometry))
    return dataclasses.replace(outcome, warnings=warnings, viewer=job.viewer)


def _geometry(job: Job, shape: tuple[int, int]) -> Geometry:
    """Return the place of the pixels of a job's file, of frames of a shape."""
    return geometry_of(job.source, shape, job.made_from.get("axes", ""))
