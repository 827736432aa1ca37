"""One body of several, chosen while the program runs, with the memory of that one.

JAX keeps the inner maps of every branch of a `switch` for its gradient, because they
differ in their shapes. Here the gradient runs the chosen body again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Float, Int

from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.bodies import body_shapes, with_body
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.stacked_weights import unpack
from emrnas_jax.nas.space import Operation


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def chosen_body(
    operations: tuple[Operation, ...],
    settings: LayerSettings,
    is_along_rows: bool,
    vector: Float[Array, " value"],
    choice: Int[Array, ""],
    features: Map,
) -> Map:
    """Return features with what the chosen body adds to them; only that body runs.

    Args:
        operations: the candidates.
        settings: layers of the network.
        is_along_rows: whether lines of k-space are its rows.
        vector: weights of the chosen one.
        choice: its position among the candidates.
        features: features of the component.
    """
    bodies = _bodies(operations, settings, is_along_rows)
    return jax.lax.switch(choice, bodies, vector, features)


def _bodies(
    operations: tuple[Operation, ...], settings: LayerSettings, is_along_rows: bool
) -> list[Callable[[Array, Map], Map]]:
    """Return a function of weights and features for each candidate."""
    given = settings, is_along_rows
    return [partial(_run_body, operation, *given) for operation in operations]


def _run_body(
    operation: Operation,
    settings: LayerSettings,
    is_along_rows: bool,
    vector: Array,
    features: Map,
) -> Map:
    weights = unpack(body_shapes(operation, settings), vector)
    return with_body(operation, weights, features, settings, is_along_rows)


def _keep_inputs(*given: Any) -> tuple[Map, tuple[Array, Array, Map]]:
    return chosen_body(*given), given[3:]


def _gradient_of_body(
    operations: tuple[Operation, ...],
    settings: LayerSettings,
    is_along_rows: bool,
    kept: tuple[Array, Array, Map],
    cotangent: Map,
) -> tuple[Array, None, Map]:
    vector, choice, features = kept

    def branch(body: Callable[[Array, Map], Map]) -> Callable[..., tuple[Array, Map]]:
        def gradient(vector: Array, features: Map, cotangent: Map) -> Any:
            return jax.vjp(body, vector, features)[1](cotangent)

        return gradient

    branches = [*map(branch, _bodies(operations, settings, is_along_rows))]
    own = jax.lax.switch(choice, branches, vector, features, cotangent)
    return own[0], None, own[1]


chosen_body.defvjp(_keep_inputs, _gradient_of_body)
