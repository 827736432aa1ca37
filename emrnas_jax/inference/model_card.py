"""The model card of a trained network: what it is, was trained on, and is not for."""

from typing import Any

from jinja2 import Environment, StrictUndefined

from emrnas_jax.data.targets import TargetKind
from emrnas_jax.models.catalogue import named
from emrnas_jax.models.model_folder import ModelConfig
from emrnas_jax.runs.network_files import Cost
from emrnas_jax.runs.scores import Scores

LIBRARY = "emrnas_jax"

# Rows of a table are one line each, however long.
TEMPLATE = """\
---
license: apache-2.0
library_name: {{ library }}
tags: [mri, image-reconstruction, jax]
---

# {{ title }}

{{ config.summary or title ~ ", trained with " ~ library ~ "." }}

| | |
| --- | --- |
| network | {{ title }} (`{{ record.kind }}`), {{ "{:,}".format(parameters) }} parameters |
| settings | {{ settings }} |
| images | {{ record.images }}, {{ record.shapes_in_words }} pixels, intensities in [0, 1]{{ of_rss }} |
| masks | {{ masks }} |
| trained on | {{ trained_on }} |
| training | {{ training }} |
{% if quality -%}
| quality | {{ quality }} |
{% endif -%}
{% if speed -%}
| time | {{ speed }} |
{% endif %}
## Use

```
python -m {{ library }}.reconstruct --model={{ name }} --input=FILE_OR_FOLDER --output=FOLDER
```

```python
from {{ library }}.inference import load_model, reconstruct_kspace
images = reconstruct_kspace(load_model("{{ name }}"), kspace, mask)
```

## Limits

It learned from the images and masks above. Images of other organs, contrasts or sizes,
k-space of several coils, noise that the training did not have, and masks of another kind
or rate are outside of what it was trained and scored for; it then can make images that
look right and are wrong. It is not for diagnosis.
"""


def model_card(
    name: str,
    config: ModelConfig,
    parameters: int,
    data: str,
    scores: Scores | None = None,
    cost: Cost | None = None,
    metrics: str = "",
) -> str:
    """Return the model card, Markdown with the header that model hubs read.

    Args:
        name: folder or name by which `reconstruct` finds the model.
        config: config of the model folder.
        parameters: number of weights.
        data: name of the data set that it was trained on; "" where it is not known.
        scores: its scores on subjects that it was not trained on.
        cost: its time per frame on a named device.
        metrics: convention of the scores in words.
    """
    record = config.network
    # StrictUndefined: a misspelt name is an error, not an empty cell.
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    return template.from_string(TEMPLATE).render(
        library=LIBRARY,
        name=name,
        config=config,
        record=record,
        of_rss=", target the root of the sum of squares of the coils"
        * (record.target is TargetKind.RSS),
        title=named(record.name).title,
        parameters=parameters,
        settings=_pairs(record.settings),
        masks=_pairs({k: v for k, v in record.sampling.items() if v != ""}),
        trained_on=_trained_on(config, data),
        training=_training(config),
        quality=_quality(scores, metrics),
        speed=_speed(cost),
    )


def _pairs(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _trained_on(config: ModelConfig, data: str) -> str:
    if not config.subjects:
        return data or "not recorded"
    count, names = len(config.subjects), ", ".join(config.subjects)
    return f"{data + ', ' * bool(data)}{count} subjects: {names}"


def _training(config: ModelConfig) -> str:
    if not config.training:
        return f"{config.steps:,} steps"
    left_out = ("steps", "epochs", "minutes")
    recipe = {k: v for k, v in config.training.items() if k not in left_out and v}
    return f"{config.steps:,} steps; {_pairs(recipe)}"


def _quality(scores: Scores | None, metrics: str) -> str:
    if scores is None:
        return ""
    subjects = len(set(scores.subject))
    return (
        f"PSNR {scores.psnr_db.mean():.2f} dB, SSIM {scores.ssim.mean():.4f} on "
        f"{len(scores.psnr_db)} frames of {subjects} other subjects; {metrics}"
    )


def _speed(cost: Cost | None) -> str:
    if cost is None or not cost.seconds_per_frame:
        return ""
    return f"{1e3 * cost.seconds_per_frame:.3g} ms per frame on {cost.device}"
