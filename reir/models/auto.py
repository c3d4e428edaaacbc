"""``auto``: the best model that can be had, decided once, when an index is made."""

from __future__ import annotations

from reir.models.specification import ModelSpec

PREFERRED = "owlv2-base"
"""The pretrained open-vocabulary model that ``auto`` stands for where its weights are."""
FALLBACK = "clare-tiny"
"""The model that ships with the package; its notice says how narrow its world is."""


def auto_name() -> str:
    """``owlv2-base`` if its weights are on this machine, else ``clare-tiny``. No network, no question."""
    from reir.models.hub import is_here
    from reir.models.parts import model_sources

    return PREFERRED if all(map(is_here, model_sources(ModelSpec(PREFERRED)))) else FALLBACK
