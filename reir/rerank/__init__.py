"""Stages over the top hits of a search: whatever depends on the pair of query and instance.

A stage takes an expression, hits, and on demand their pixels and what the index knows of them, and gives the hits back
with a new score, a better box or a mask. Stages chain, each within a time budget.
"""

from reir.rerank.chain import StageOutcome, StageTime, noted, run_stage
from reir.rerank.look import Look, Neighbours
from reir.rerank.picture_look import PictureLook
from reir.rerank.plan import STAGE_SECONDS, STAGE_TOP, StagePlan
from reir.rerank.registry import StageEntry, list_stages, load_stage
from reir.rerank.snapshot_look import SnapshotLook
from reir.rerank.stage import Kind, NetworkStage, Stage

__all__ = [
    "STAGE_SECONDS",
    "STAGE_TOP",
    "Kind",
    "Look",
    "Neighbours",
    "NetworkStage",
    "PictureLook",
    "SnapshotLook",
    "Stage",
    "StageEntry",
    "StageOutcome",
    "StagePlan",
    "StageTime",
    "list_stages",
    "load_stage",
    "noted",
    "run_stage",
]
