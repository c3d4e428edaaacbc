"""OWL-ViT and OWLv2: open-vocabulary detectors whose logits are inner products, so that a gallery can be searched."""

from reir.models.owl.folder import OwlFolder
from reir.models.owl.load import REPOSITORIES, load
from reir.models.owl.model import OwlModel
from reir.models.owl.nouns import EVERYDAY_NOUNS
from reir.models.owl.text import TextBranch

__all__ = ["EVERYDAY_NOUNS", "REPOSITORIES", "OwlFolder", "OwlModel", "TextBranch", "load"]
