"""The model card that is written beside weights trained over decoder states."""

from __future__ import annotations

import json
from typing import Any

from reir.training.relating.config import RelatingConfig


def relating_card(
    config: RelatingConfig, validation: dict[str, Any], environment: dict[str, str], seconds: float
) -> str:
    """Markdown: what the model is, what it was trained on, by which command, and how it did on validation."""
    batch = config.batch
    pictures = config.optim.steps * batch.groups * batch.pictures
    return f"""# {config.name}

CLARE (Referring Expression Instance Retrieval and A Strong End-to-End Baseline, ACM MM 2025) at size `tiny`,
with {config.network.relation_layers} relation layers after the decoder, trained by reir on emoji scenes alone.
It knows only that world.

| | |
| --- | --- |
| data | {config.data.scenes:,} emoji scenes of the training split (`reir data synth`); Noto Color Emoji (SIL OFL 1.1) |
| starts from | `{config.start}`, whose boxes and decoder states it keeps |
| seen | decoder states of {pictures:,} pictures in {config.optim.steps:,} steps of {batch.groups * batch.pictures} |
| seed | {config.seed} |
| command | `reir train {config.name}` |
| commit | `{environment["commit"]}` |
| wall time | {seconds / 60:.0f} minutes, {environment["threads"]} CPU threads |
| made with | torch {environment["torch"]}, Python {environment["python"]} |
| licence | Apache-2.0 |

Last validation during training ({config.data.validation_scenes} scenes of the validation split, never the test split):

```json
{json.dumps(validation, indent=1)}
```
"""
