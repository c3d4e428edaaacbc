"""How much the published data sets hold, so that a damaged or different copy is noticed before it is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class Counts:
    """Pictures, objects that are referred to, and expressions; None where no source says."""

    pictures: int | None
    referred: int | None = None
    expressions: int | None = None


WHOLE: Final = "all"
"""In place of a split: all of them together."""

EXPECTED: Final[Mapping[str, Mapping[str, Counts]]] = {
    # Whole sets: paper, appendix B.1. Pictures and references by split: the catalogue of TensorFlow Datasets,
    # ref_coco. Expressions by split: the data page of FlagEval for RefCOCO; they add up to the paper's figure.
    "refcoco_unc": {
        "train": Counts(16_994, 42_404, 120_624),
        "val": Counts(1_500, 3_811, 10_834),
        "testA": Counts(750, 1_975, 5_657),
        "testB": Counts(750, 1_810, 5_095),
        WHOLE: Counts(19_994, 50_000, 142_210),
    },
    "refcoco_google": {
        "train": Counts(19_213, 40_000),
        "val": Counts(4_559, 5_000),
        "test": Counts(4_527, 5_000),
        WHOLE: Counts(19_994, 50_000, 142_210),
    },
    "refcoco+_unc": {
        "train": Counts(16_992, 42_278),
        "val": Counts(1_500, 3_805),
        "testA": Counts(750, 1_975),
        "testB": Counts(750, 1_798),
        WHOLE: Counts(19_992, 49_856, 141_564),
    },
    "refcoco+_google": {WHOLE: Counts(19_992, 49_856, 141_564)},
    "refcocog_umd": {
        "train": Counts(21_899, 42_226),
        "val": Counts(1_300, 2_573),
        "test": Counts(2_600, 5_023),
        WHOLE: Counts(25_799, 49_822, 95_010),
    },
    "refcocog_google": {
        "train": Counts(24_698, 44_822),
        "val": Counts(4_650, 5_000),
        WHOLE: Counts(25_799, 49_822, 95_010),
    },
    # Paper, section 3.2. It does not say how its two splits divide them.
    "reir_coco": {WHOLE: Counts(30_106, 215_835, 613_548)},
    # The catalogue of TensorFlow Datasets, coco/2017 and coco/2014.
    "instances_train2017": {WHOLE: Counts(118_287)},
    "instances_val2017": {WHOLE: Counts(5_000)},
    "instances_train2014": {WHOLE: Counts(82_783)},
    "instances_val2014": {WHOLE: Counts(40_504)},
}


def differences(name: str, split: str, found: Counts) -> list[str]:
    """What differs from the published counts, one sentence each; none for a data set that is not known."""
    expected = EXPECTED.get(name, {}).get(split)
    if expected is None:
        return []
    what = name if split == WHOLE else f"{name} {split}"
    return [
        f"{what} has {wanted:,} {word.name if word.name != 'referred' else 'referred objects'}, here {here:,}"
        for word in fields(Counts)
        if (wanted := getattr(expected, word.name)) is not None
        and (here := getattr(found, word.name)) is not None
        and wanted != here
    ]
