"""docs/models.md: its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reir.models import ModelSpec, list_models, model_sources
from reir.models.detector_clip.parts import DEFAULT_DETECTOR, DEFAULT_SIZE, DEFAULT_TOWER
from reir.models.detector_clip.scores import DEFAULT_LAMBDA, DEFAULT_TAU
from reir.models.detector_clip.settings import DEFAULTS, OPTIONS
from reir.models.hub import HubSource
from reir.models.hub.sources import HUB_SOURCES
from reir.models.sam_clip.parts import DEFAULT_SAM
from reir.models.sam_clip.scores import BLEND
from reir.models.sam_clip.settings import PARTS, Settings

TEXT = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under this first heading."""
    lines = TEXT[TEXT.index(f"| {heading} |") :].splitlines()
    table = lines[2 : next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_every_model_is_listed_with_its_size_and_licence(entry: object) -> None:
    (row,) = [row for row in rows("name") if row[0].strip("`").partition(":")[0] == entry.name]  # type: ignore[attr-defined]
    if entry.source == "hub":  # type: ignore[attr-defined]
        megabytes = entry.megabytes  # type: ignore[attr-defined]
        assert row[2] == (f"{megabytes / 1000:.1f} GB" if megabytes > 1000 else f"{megabytes:.0f} MB")
        assert set(row[3].split(", ")) == set(entry.licence.split(", "))  # type: ignore[attr-defined]


def test_every_option_is_explained() -> None:
    table = {name: row for row in rows("option") for name in re.findall(r"`(\w+)`", row[0])}
    settings = Settings()
    assert set(table) == {*OPTIONS, *PARTS, *settings.to_json(), "precision"}
    assert table["detector"][3] == f"`{DEFAULT_DETECTOR}`"
    assert table["size"][3] == str(DEFAULT_SIZE)
    assert table["sam"][3] == f"`{DEFAULT_SAM}`"
    assert table["points"][3] == str(settings.points)
    assert table["iou"][3] == f"{settings.iou}, {settings.stability}"
    assert table["nms"][3] == f"{settings.nms}; `rcnn-clip` {DEFAULTS['rcnn-clip'].nms}"
    assert table["score"][3] == f"{DEFAULTS['rcnn-clip'].score}; `rpn-clip` {DEFAULTS['rpn-clip'].score:g}"
    assert {DEFAULTS["rcnn-clip"].top, DEFAULTS["rpn-clip"].top, settings.top} == {int(table["top"][3])}
    assert f"`{DEFAULT_TOWER}`, the default" in TEXT


def test_the_numbers_that_mix_a_score() -> None:
    (rpn, sam) = rows("model")
    assert rpn[2] == f"`lambda` {DEFAULT_LAMBDA}, `tau` {DEFAULT_TAU}"
    assert sam[2] == f"`alpha` {BLEND['alpha']}, `lambda` {BLEND['lambda']}"


def test_what_is_pinned() -> None:
    everything, weights, revision, _, nothing = (row[1] for row in rows("pinned"))
    for source in HUB_SOURCES.values():
        name = "ViT-B-32__openai" if source.repo == "timm/vit_base_patch32_clip_224.openai" else source.name
        line = nothing
        if source.revision is not None:
            whole = source.files is not None and set(source.files) == set(source.sha256)
            line = everything if whole else weights if source.sha256 else revision
        assert f"`{name}`" in line, name
    published = [source for entry in list_models() for source in model_sources(ModelSpec(entry.name))]
    assert len([source for source in published if isinstance(source, HubSource)]) >= 8
