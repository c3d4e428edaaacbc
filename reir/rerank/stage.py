"""What the search expects of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from reir.protocols import Model
from reir.types import Hit

if TYPE_CHECKING:
    from reir.rerank.look import Look

Kind: TypeAlias = Literal["rerank", "refine", "mask"]
"""``rerank`` gives hits another score, and with it another order; ``refine`` a better box; ``mask`` a mask."""


class Stage(Protocol):
    """A second look at hits, safe from several threads. Making one is cheap; networks are loaded by the first look."""

    @property
    def name(self) -> str:
        """As it is asked for, and as its answers are marked."""
        ...

    @property
    def kind(self) -> Kind:
        """What it changes."""
        ...

    @property
    def needs_expression(self) -> bool:
        """Whether it has nothing to say on a search by example."""
        ...

    @property
    def needs_pixels(self) -> bool:
        """Whether it looks at the pictures themselves; those that cannot be read are kept from it."""
        ...

    @property
    def hits_at_once(self) -> int:
        """How many hits it takes in one call: between calls, the time is looked at."""
        ...

    def check(self, model: Model) -> None:
        """Returns when the stage can work on an index of ``model``.

        Raises:
            UsageError: it cannot; the message says with which it can.
        """
        ...

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The same hits in the same order, changed, each with what is to be told of it in ``stages[name]``.

        ``expression`` is empty for a search by example.
        """
        ...


@runtime_checkable
class NetworkStage(Protocol):
    """What a stage with networks of its own has beside the rest."""

    @property
    def decode_side(self) -> int:
        """Longer side in pixels beyond which a decoded picture brings its networks nothing.

        ``Look.picture`` gives pictures of this size while the stage runs, or of the model's where that is larger.
        """
        ...

    def prepare(self) -> None:
        """Load what the first look needs: called before the stage's time begins, and returns at once if it is loaded.

        Raises:
            WeightsMissingError, UsageError: the weights are not here, or not those of such a stage.
        """
        ...
