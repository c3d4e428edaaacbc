"""The masks that the index holds."""

from __future__ import annotations

from collections.abc import Sequence

from reir.geometry.masks import resize_rle
from reir.models.specification import ModelSpec
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.types import Hit


def load(spec: ModelSpec) -> StoredMasks:
    """The stage; it has no options."""
    spec.require_options(())
    return StoredMasks()


class StoredMasks:
    """The mask that was found when the picture was indexed, at the size of the upright original.

    A model that finds none leaves the hits without.
    """

    name = "stored"
    kind: Kind = "mask"
    needs_expression = False
    needs_pixels = False
    hits_at_once = 8

    def check(self, model: Model) -> None:
        """Returns for any model: which of them stored masks shows in the answer."""

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:  # noqa: ARG002
        """The hits with their masks."""
        marked = []
        for hit, known in zip(hits, look.details([hit.instance_id for hit in hits]), strict=True):
            mask = known.get("mask")
            if mask is None:
                marked.append(noted(hit, self.name, {"found": False}))
            else:
                marked.append(noted(hit, self.name, {"found": True}, mask=resize_rle(mask, hit.width, hit.height)))
        return marked
