"""The end-to-end variational network: cascades in k-space, and learned coil maps.

A component takes k-space k of all coils to

    k - w M (k - k₀) - F S U(Sᴴ F⁻¹ k)

with the measured samples k₀, the mask M, a learned step w, the coil maps S and a U-Net
U of its own. The maps are those of the measurement, or a further U-Net estimates them
from the images of the calibration lines, one coil at a time.

Source: Sriram et al., "End-to-end variational networks for accelerated MRI
reconstruction", MICCAI 2020.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from emrnas_jax.models.layers import LayerSettings, keep_image
from emrnas_jax.models.norm_unet import NormUNet, require_pools
from emrnas_jax.mri.calibration import calibration_mask
from emrnas_jax.mri.coils import normalise_maps, root_sum_of_squares
from emrnas_jax.mri.fourier import ifft2, to_channels, to_complex
from emrnas_jax.mri.measurement import (
    Kspace,
    Mask,
    Measurement,
    combined,
    cut_axes,
    hybrid,
    seen,
    transform,
    transform_back,
)


def varnet(
    components: int = 10,
    width: int = 8,
    pools: int = 2,
    learned_maps: bool = False,
    map_width: int = 8,
    map_pools: int = 2,
    precision: str = "float32",
) -> "VarNet":
    """Return the variational network; it has 292,190 parameters, 321,408 with its maps.

    The published one has 12 components, 18 channels and 4 poolings, maps of 8 channels
    and 4 poolings, and 30 million parameters. Here there are as many as EMR-NAS has.

    With the maps of the measurement the result is the complex image Sᴴ F⁻¹ k, for
    targets that the same maps combine. With learned maps it is the root of the sum of
    the coils' squares as a real image, as fastMRI has it: for targets that are such a
    root, or the magnitude of an image combined by maps of norm 1, and not for complex
    ones.

    Args:
        components: cascades, each with a U-Net and a step of its own.
        width: channels of the U-Nets at full resolution.
        pools: halvings of the resolution in the U-Nets, 1 to 4.
        learned_maps: whether a U-Net estimates the coil maps; those of the measurement
            are ignored then.
        map_width: channels of that U-Net at full resolution.
        map_pools: its halvings, 1 to 4.
        precision: a name in `kernels.precision.PRECISIONS`.

    Raises:
        InputError: there are other numbers of poolings.
    """
    require_pools(pools, "varnet: pools")
    require_pools(map_pools, "varnet: map_pools")
    settings, maps = (LayerSettings(w, precision) for w in (width, map_width))
    learned = (map_pools, maps) if learned_maps else None
    return VarNet(components, pools, settings, learned)


class CoilMapNetwork(nn.Module):
    """The U-Net that estimates coil maps from the calibration lines."""

    pools: int
    settings: LayerSettings

    @nn.compact
    def __call__(
        self, kspace: Complex[Array, "batch coil height width"], mask: Mask
    ) -> Complex[Array, "batch coil height width"]:
        """Return maps with Σ|S|² = 1; 0 in pixels that no coil sees."""
        calibration = calibration_mask(mask)
        images = ifft2(_where_measured(kspace, calibration))
        # All coils share the U-Net: it takes any number, in any order.
        each = to_channels(images.reshape(-1, *images.shape[2:]))
        found = NormUNet(self.pools, self.settings, name="unet")(each)
        return normalise_maps(to_complex(found).reshape(images.shape))


class Component(nn.Module):
    """A U-Net in the image, and a step towards the samples in k-space."""

    pools: int
    settings: LayerSettings

    @nn.compact
    def __call__(self, kspace: Kspace, measured: Measurement) -> Kspace:
        """Return better k-space of all coils, whose samples need not be `measured`."""
        image = _image(kspace, measured)
        change = NormUNet(self.pools, self.settings, name="unet")(image)
        # That of the first component has nothing to do: it begins with the samples.
        step = self.param("step", nn.initializers.ones, ())
        error = _where_measured(kspace - measured.kspace, measured.mask)
        changes = seen(to_complex(change), measured.coil_maps)
        return kspace - step * error - transform(changes, cut_axes(measured.mask))


def _image(
    kspace: Kspace, measured: Measurement
) -> Float[Array, "batch height width 2"]:
    """Return the image that coil maps combine of k-space that has every sample."""
    images = transform_back(kspace, cut_axes(measured.mask))
    return to_channels(combined(images, measured.coil_maps))


def _where_measured(kspace: Kspace, mask: Mask) -> Kspace:
    """Return M k."""
    beside = jnp.expand_dims(mask, tuple(range(1, kspace.ndim - 2)))
    return jnp.where(beside, kspace, 0)


class VarNet(nn.Module):
    """The network of `varnet`.

    Attributes:
        components: number of components.
        pools: halvings of their U-Nets.
        settings: layers of their U-Nets.
        learned_maps: halvings and layers of the U-Net for coil maps; None without it.
    """

    components: int
    pools: int
    settings: LayerSettings
    learned_maps: tuple[int, LayerSettings] | None

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],  # noqa: ARG002
        measurement: Measurement,
        train: bool = False,  # noqa: ARG002 - there is no batch norm here
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct.

        Args:
            zero_filled: ignored, because k-space has all of it.
            measurement: k-space, mask and coil maps of the frames. Learned maps take
                k-space without a coil axis as that of one coil.
            train: ignored, because there is no batch norm.
        """
        measured = measurement
        if self.learned_maps is not None:
            kspace, mask, maps = measurement
            kspace = kspace[:, None] if maps is None else kspace
            learned = CoilMapNetwork(*self.learned_maps, name="maps")
            measured = Measurement(kspace, mask, learned(kspace, mask))
        # Where lines are measured, one axis needs no transforms in between.
        samples = _where_measured(measured.kspace, measured.mask)
        measured = measured._replace(kspace=hybrid(samples, measured.mask))
        kspace = measured.kspace
        for n in range(1, self.components + 1):
            if n > 1:
                keep_image(self, f"image_{n - 1}", self._result(kspace, measured))
            component = Component(self.pools, self.settings, name=f"component_{n}")
            kspace = component(kspace, measured)
        return self._result(kspace, measured)

    def _result(
        self, kspace: Kspace, measured: Measurement
    ) -> Float[Array, "batch height width 2"]:
        """Return the image of k-space, in the form of the network's result."""
        if self.learned_maps is None:
            return _image(kspace, measured)
        images = transform_back(kspace, cut_axes(measured.mask))
        magnitude = root_sum_of_squares(images)
        return jnp.stack([magnitude, jnp.zeros_like(magnitude)], axis=-1)
