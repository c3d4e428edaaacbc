"""The model card that is written beside trained weights."""

from __future__ import annotations

import json
from typing import Any

from reir.training.config import TrainConfig


def model_card(
    config: TrainConfig, validation: dict[str, Any], environment: dict[str, str], seconds: float, *, processes: int = 1
) -> str:
    """Markdown: what the model is, what it was trained on, by which command, and how it did on validation."""
    pictures = config.optim.steps * config.batch.pictures * processes
    return f"""# {config.name}

CLARE (Referring Expression Instance Retrieval and A Strong End-to-End Baseline, ACM MM 2025) at size `{config.model}`,
trained by reir on emoji scenes alone. It knows only that world.

| | |
| --- | --- |
| data | {config.data.scenes:,} emoji scenes of the training split (`reir data synth`); Noto Color Emoji (SIL OFL 1.1) |
| seen | {pictures:,} pictures in {config.optim.steps:,} steps of {config.batch.pictures * processes} |
| seed | {config.seed} |
| command | `reir train {config.name}` |
| commit | `{environment["commit"]}` |
| wall time | {seconds / 60:.0f} minutes, {environment["threads"]} CPU threads a process |
| made with | torch {environment["torch"]}, Python {environment["python"]} |
| licence | Apache-2.0 |

Last validation during training ({config.data.validation_scenes} scenes of the validation split, never the test split):

```json
{json.dumps(validation, indent=1)}
```
"""
