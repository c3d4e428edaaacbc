"""The audit: what people are shown, what they write, and what it comes to."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from reir.construction import draw_sheet, read_annotated, read_verdicts, sample, write_table
from reir.construction.verdicts import wilson
from reir.errors import UsageError
from tests.cli.conftest import Reir


@pytest.fixture
def expressions(tmp_path: Path) -> Path:
    """Twelve pictures in REIRCOCO's layout, one instance each with two expressions; the third has a flag."""
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for n in range(1, 13):
        Image.new("RGB", (120, 80), (20 * n, 90, 90)).save(tmp_path / "images" / f"{n}.jpg")
        texts = [f"cup number {'x' * n}", f"the cup that stands on table {'y' * n} by the window"]
        image = {"id": n, "file_name": f"{n}.jpg", "width": 120, "height": 80, "expressions": texts}
        images.append(image)
        one = {"id": 50 + n, "image_id": n, "category_id": 1, "bbox": [10, 10, 60, 50], "iscrowd": 0, "area": 3000}
        if n == 3:
            one["flags"] = [{"expression": texts[0], "kind": "rival", "confirmed": True, "rivals": []}]
            one["warnings"] = [f"the subject of {texts[1]!r} seems to be 'table', not 'cup'"]
        annotations.append(one)
    path = tmp_path / "test.json"
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cup"}]}
    path.write_text(json.dumps(content))
    return path


def test_a_seed_draws_the_same_instances(expressions: Path) -> None:
    data = read_annotated(expressions)
    drawn = [[one.instance.id for one in sample(data, 5, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 5
    assert len(sample(data, 99)) == 12


def test_flags_and_warnings_are_shown(expressions: Path) -> None:
    data = read_annotated(expressions)
    (one,) = sample(data, 5, flagged=True)
    assert one.instance.id == 53
    assert list(one.flags.values()) == ["rival, confirmed", "subject?"]


def test_the_sheet_shows_pictures_boxes_and_words(expressions: Path) -> None:
    data = read_annotated(expressions)
    drawn = sample(data, 12)
    sheet = draw_sheet(data, drawn, "Audit")
    assert sheet.width > 900
    colours = {colour for _, colour in sheet.getcolors(maxcolors=1 << 20)}
    assert {(230, 40, 70), (170, 60, 0)} <= colours  # the box, and a flag in its own colour
    (expressions.parent / "images/1.jpg").unlink()
    assert draw_sheet(data, drawn, "Audit").size == sheet.size


def test_verdicts_come_to_a_share_with_an_interval(expressions: Path, tmp_path: Path) -> None:
    table = tmp_path / "verdicts.csv"
    write_table(table, sample(read_annotated(expressions), 12))
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert rows[0]["place"] == "1a"
    with pytest.raises(UsageError, match="no verdict yet"):
        read_verdicts(table)
    for n, row in enumerate(rows):
        row["verdict"] = ["right", "Right ", "wrong", "right", "", "ambiguous"][n % 6]
    save(table, rows)
    found = read_verdicts(table)
    assert (found.expressions, found.unjudged, found.instances) == (20, 4, 12)
    assert found.counts == {"right": 12, "wrong": 4, "ambiguous": 4}
    assert found.right == 0.6
    assert found.interval == wilson(0.6, 12)
    rows[0]["verdict"] = "perhaps"
    save(table, rows)
    with pytest.raises(UsageError, match="place 1a: a verdict is right, wrong, ambiguous"):
        read_verdicts(table)


def save(table: Path, rows: list[dict[str, str]]) -> None:
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(("right", "count"), [(0, 10), (7, 12), (40, 40), (1, 1)])
def test_the_interval_holds_the_shares_that_the_sample_does_not_refute(right: int, count: int) -> None:
    share = right / count
    for bound in wilson(share, count):
        assert 0.0 <= bound <= 1.0
        if 0.0 < bound < 1.0:  # there the sample lies 1.96 standard deviations off, which defines Wilson's interval
            assert abs(share - bound) == pytest.approx(1.959964 * (bound * (1 - bound) / count) ** 0.5)
    assert wilson(share, count)[0] < wilson(share, count)[1]


def test_the_command_writes_and_reports(command: Reir, expressions: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit"
    done = command("data", "audit", expressions, "--out", out, "--count", "4", "--seed", "3", "--json")
    assert done.code == 0
    assert len(done.json["instances"]) == 4
    assert Image.open(out / "sheet.jpg").width > 900
    assert command("data", "audit", expressions, "--out", out).code == 2  # verdicts are not overwritten
    table = out / "verdicts.csv"
    table.write_text(table.read_text().replace(",,,\n", ",,right,\n").replace(",,\n", ",right,\n"))
    done = command("data", "audit", expressions, "--verdicts", table)
    assert done.code == 0
    assert done.out.startswith("100.0% right (95%: 51.0% to 100.0%)")
    assert command("data", "audit", expressions).code == 2
