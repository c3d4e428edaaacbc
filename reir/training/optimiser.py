"""AdamW over groups of parameters: what decays, and what learns at a rate of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from reir.training.loop_config import OptimConfig
from reir.training.schedule import learning_rate

_PLAIN = ("pos_embed", "positional_embedding")


def parameter_groups(modules: Sequence[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Matrices, kernels and embeddings decay; biases, norms, SigLIP's position tables, t and b do not."""
    return _groups(modules, weight_decay, (), tower_factor=1.0)


def make_optimiser(
    modules: Sequence[nn.Module], config: OptimConfig, towers: tuple[str, ...] = ()
) -> torch.optim.AdamW:
    """AdamW over everything in ``modules`` that is trained; what is named as ``towers`` at ``config.tower_factor``."""
    groups = _groups(modules, config.weight_decay, towers, config.tower_factor)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def set_learning_rate(optim: torch.optim.Optimizer, config: OptimConfig, step: int) -> float:
    """The learning rate of a step, which every group now has, times its own factor."""
    rate = learning_rate(config, step)
    for group in optim.param_groups:
        group["lr"] = rate * group["factor"]
    return rate


def trained_parameters(optim: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All parameters of all groups."""
    return [parameter for group in optim.param_groups for parameter in group["params"]]


def _groups(
    modules: Sequence[nn.Module], weight_decay: float, towers: tuple[str, ...], tower_factor: float
) -> list[dict[str, Any]]:
    chosen: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for module in modules:
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and not name.endswith(_PLAIN)
                slow = tower_factor != 1.0 and name.startswith(towers)
                chosen.setdefault((slow, decays), []).append(parameter)
    return [
        {
            "params": chosen.get((slow, decays), []),
            "weight_decay": weight_decay if decays else 0.0,
            "factor": tower_factor if slow else 1.0,
        }
        for slow in ((False, True) if tower_factor != 1.0 else (False,))
        for decays in (True, False)
    ]
