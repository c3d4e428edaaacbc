"""The model card that is written beside trained weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reir.training.config import TrainConfig


def model_card(config: TrainConfig, *, scope: str, data: str, measured: str, run: Mapping[str, Any]) -> str:
    """Markdown: what the model is, what it was trained on, by which command, and how it did on validation.

    ``run`` holds ``batch`` (pictures of a step), ``validation``, ``environment`` and ``seconds``.
    """
    environment = run["environment"]
    pictures = config.optim.steps * run["batch"]
    return f"""# {config.name}

CLARE (Referring Expression Instance Retrieval and A Strong End-to-End Baseline, ACM MM 2025) at size `{config.model}`,
{scope}

| | |
| --- | --- |
| data | {data} |
| seen | {pictures:,} pictures in {config.optim.steps:,} steps of {run["batch"]} |
| seed | {config.seed} |
| command | `reir train {config.name}` |
| commit | `{environment["commit"]}` |
| wall time | {run["seconds"] / 60:.0f} minutes, {environment["threads"]} CPU threads a process |
| made with | torch {environment["torch"]}, Python {environment["python"]} |
| licence | Apache-2.0 |

Last validation during training ({measured}):

```json
{json.dumps(run["validation"], indent=1)}
```
"""
