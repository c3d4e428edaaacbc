"""Expressions: what is said of things in a scene, what it means, and of which things it is true."""

from reir.data.expressions.corrupt import corrupt
from reir.data.expressions.describe import MAX_TOKENS, describe, phrases, relation_triples
from reir.data.expressions.expression import KINDS, PARSE_RELATIONS, PHRASE, Expression, Kind, Parse, express
from reir.data.expressions.facts import Denotation, SceneFacts, denote, facts_of, label_pairs
from reir.data.expressions.mirrored import mirror_expression, mirror_program
from reir.data.expressions.programs import Between, Description, Position, Rank, Relation
from reir.data.expressions.relations import POSITIONS, RELATIONS, Truth
from reir.data.expressions.wording import vocabulary

__all__ = [
    "KINDS",
    "MAX_TOKENS",
    "PARSE_RELATIONS",
    "PHRASE",
    "POSITIONS",
    "RELATIONS",
    "Between",
    "Denotation",
    "Description",
    "Expression",
    "Kind",
    "Parse",
    "Position",
    "Rank",
    "Relation",
    "SceneFacts",
    "Truth",
    "corrupt",
    "denote",
    "describe",
    "express",
    "facts_of",
    "label_pairs",
    "mirror_expression",
    "mirror_program",
    "phrases",
    "relation_triples",
    "vocabulary",
]
