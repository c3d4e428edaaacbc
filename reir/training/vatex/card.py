"""The model card of a trained VATEX."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reir.training.untrained import UNTRAINED
from reir.training.vatex.config import VatexTraining

SMOKE_NOTICE = "this model was trained for seconds, to see that training runs: what it paints means nothing"
SCENES_NOTICE = "this model was trained on emoji scenes alone, and knows only them"


def vatex_card(config: VatexTraining, *, run: Mapping[str, Any]) -> tuple[str, str | None]:
    """Markdown of what the model is, was trained on and reached, and the notice that its answers come with, if any.

    ``run`` holds ``batch`` (pictures of a step), ``validation``, ``environment`` and ``seconds``.
    """
    network, environment = config.network, run["environment"]
    smoke = network.tower == UNTRAINED or config.optim.steps < 10
    notice = SMOKE_NOTICE if smoke else SCENES_NOTICE if config.scenes is not None else None
    if config.scenes is not None:
        data = f"{config.scenes.scenes:,} emoji scenes of the training split; Noto Color Emoji (SIL OFL 1.1)"
        held = f"{config.scenes.validation_scenes} scenes of the validation split, never the test split"
    else:
        assert config.photos is not None
        data, held = config.photos.file, config.photos.validation or "nothing"
    switches = ", ".join(name for name in ("clip_prior", "cmd", "mcc") if getattr(network, name)) or "none of the three"
    rows = config.optim.steps * run["batch"] * config.rows.expressions
    text = f"""# {config.name}

VATEX (Vision-Aware Text Features in Referring Image Segmentation): an expression to the mask of its object. Backbone
`{network.backbone}`, pictures at a shorter side of {network.side}, {network.queries} queries, {network.layers} decoder
layers; with {switches}.

| | |
| --- | --- |
| data | {data} |
| seen | {rows:,} expressions in {config.optim.steps:,} steps of {run["batch"]} pictures |
| frozen CLIP | {network.tower or "none: words are learned from nothing"} |
| backbone starts from | {config.backbone_weights} |
| seed | {config.seed} |
| command | `reir train {config.name}` |
| commit | `{environment["commit"]}` |
| wall time | {run["seconds"] / 60:.0f} minutes, {environment["threads"]} CPU threads a process |
| made with | torch {environment["torch"]}, Python {environment["python"]} |
| licence | Apache-2.0 |

Last validation during training ({held}):

```json
{json.dumps(run["validation"], indent=1)}
```
"""
    return text, notice
