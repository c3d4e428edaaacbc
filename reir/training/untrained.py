"""A tower that knows nothing, so that a smoke run needs no weights."""

from __future__ import annotations

import json
from pathlib import Path

UNTRAINED = "untrained"
"""In place of a tower: a tiny one with random weights."""
_MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "head_width": 16, "layers": 1},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def untrained_tower(folder: Path) -> str:
    """The folder of a tiny tower with random weights, made in ``folder``, always the same one."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    made = folder / "untrained-tower"
    made.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.model.CLIP(**_MODEL)
    save_file(model.state_dict(), made / "open_clip_model.safetensors")
    (made / "open_clip_config.json").write_text(json.dumps({"model_cfg": _MODEL, "preprocess_cfg": {}}))
    return str(made)
