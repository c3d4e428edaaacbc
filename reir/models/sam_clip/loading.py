"""Networks of transformers, and their processors, from a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reir.errors import UsageError
from reir.models.sam_clip.parts import Network
from reir.models.transformers_folder import loading_from

_LEFT_OUT = 0.05
"""Share of a network's weights that its file may lack: published files leave out those that are copies of others."""


def load_network(network: Network, network_class: Any, *, dtype: Any) -> Any:
    """The network of a folder, in evaluation mode, on the CPU.

    Raises:
        UsageError: its files are damaged, or hold another network's weights.
    """
    with loading_from(network.folder):
        model, told = network_class.from_pretrained(
            network.folder, local_files_only=True, dtype=dtype, output_loading_info=True
        )
    lacking = sorted(told["missing_keys"])
    if len(lacking) > _LEFT_OUT * len(model.state_dict()):
        raise UsageError(
            f"the weights in {network.folder} are not those of {network_class.__name__}: "
            f"{len(lacking)} are missing, {lacking[0]} for one"
        )
    return model.eval().requires_grad_(False)


def load_processor(network: Network, processor_class: Any) -> Any:
    """The processor of a folder.

    Raises:
        UsageError: its files are missing or damaged.
    """
    load: Callable[..., Any] = processor_class.from_pretrained
    with loading_from(network.folder):
        return load(network.folder, local_files_only=True)
