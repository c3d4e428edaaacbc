"""The paper's tables: rows that differ in one thing, a runner that goes on, verdicts by rule, a page of its rows."""

import numpy as np
import pytest
import torch

from benchmarks.paper_tables.experiments import EXPERIMENTS, experiment
from benchmarks.paper_tables.gallery import Answers, ask_two_stages, make_gallery
from benchmarks.paper_tables.intervals import estimate, verdict
from benchmarks.paper_tables.report import PAGE, blocks, differences, fill, table_text
from benchmarks.paper_tables.rows import COLUMNS, FIGURES, append_row, read_rows
from benchmarks.paper_tables.run import Bench
from benchmarks.paper_tables.tables import TABLES, Claim
from benchmarks.paper_tables.tower import Tower, ask_tower, picture_labels
from reir.data.expressions import MAX_TOKENS, vocabulary
from reir.data.splits import VALIDATION
from reir.text import WordTokenizer
from reir.training.batch import Batch

TRAINED = [item for item in EXPERIMENTS if item.kind == "clare"]


def flat(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@pytest.mark.parametrize("item", TRAINED, ids=lambda item: item.name)
def test_an_experiment_differs_from_its_stage_only_in_what_it_says(item, tmp_path):
    plain = experiment("stage1" if item.stage == 1 else "finetune-only").settings(3, tmp_path)
    ours = item.settings(3, tmp_path)
    before, after = dict(flat(plain.model_dump())), dict(flat(ours.model_dump()))
    changed = {key for key in after if after[key] != before[key]} - {"name"}
    assert changed == set(item.changes) | ({"start"} if item.start else set())


def test_seeds_are_paired_and_stages_do_not_share_them(tmp_path):
    def seeds(seed, stage):
        return {item.settings(seed, tmp_path).seed for item in TRAINED if item.stage == stage}

    assert [len(seeds(seed, stage)) for seed in range(5) for stage in (1, 2)] == [1] * 10
    assert not (seeds(0, 1) | seeds(1, 1)) & (seeds(0, 2) | seeds(1, 2))


def test_tables_and_experiments_name_each_other():
    rows = {(table.number, row.experiment) for table in TABLES for row in table.rows}
    assert rows == {(number, item.name) for item in EXPERIMENTS for number in item.tables}
    for table in TABLES:
        names = {row.experiment for row in table.rows}
        assert all({claim.better, claim.worse} <= names for claim in table.claims)
        assert all(len(row.paper) in (0, len(table.figures)) for row in table.rows)


def test_what_the_paper_reports_of_a_claim_is_the_difference_of_its_rows():
    checked = 0
    for table in TABLES:
        paper = {row.experiment: dict(zip(table.figures, row.paper, strict=False)) for row in table.rows}
        for claim in table.claims:
            if claim.paper is None:
                assert not paper[claim.better] or not paper[claim.worse]
                continue
            assert claim.paper == pytest.approx(paper[claim.better][claim.figure] - paper[claim.worse][claim.figure])
            checked += 1
    assert checked >= 18


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "work", tmp_path / "scenes", tmp_path / "results.csv", "0" * 12, print)


def test_the_runner_skips_what_has_a_row(bench):
    append_row({"experiment": "full", "seed": 1}, bench.results)
    before = bench.results.read_bytes()
    assert bench.finish(experiment("full"), 1)
    assert bench.results.read_bytes() == before
    assert not bench.runs.exists()


def test_the_runner_leaves_what_another_has_in_hand(bench):
    other = Bench(bench.work, bench.scenes, bench.results, bench.commit, print)
    with other.claimed("stage1", 0):
        assert not bench.finish(experiment("stage1"), 0)
        assert not bench.finish(experiment("full"), 0)  # which starts from it
    assert not bench.results.exists()


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "rows.csv"
    append_row({"experiment": "tower + stage1", "seed": 2, "br10_0.5": 12.3456, "tables": "1 3"}, path)
    append_row({"experiment": "full", "seed": 0, "pictures": 9600}, path)
    rows = read_rows(path)
    assert list(rows) == [("tower + stage1", 2), ("full", 0)]
    assert rows["tower + stage1", 2]["br10_0.5"] == "12.346"
    assert rows["full", 0]["mean_iou"] == ""
    with pytest.raises(ValueError, match="no such columns"):
        append_row({"experiment": "full", "seed": 0, "recall": 1}, path)


def test_an_interval_is_students():
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == pytest.approx(2.0)
    assert found.half == pytest.approx(4.302653 / 3**0.5, rel=1e-5)  # t table, two degrees of freedom, s = 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([5.0, 6.0, 7.0], "holds"),
        ([-5.0, -6.0, -7.0], "does not hold"),
        ([-1.0, 1.0, 3.0], "not resolved at this budget"),
        ([5.0, 6.0], "too few seeds"),
        ([], "too few seeds"),
    ],
)
def test_the_verdict_is_a_rule(found, said):
    assert verdict(found) == said


def made_up_rows():
    empty = dict.fromkeys(COLUMNS, "")
    rows = {}
    for seed in range(3):
        for name, level in (("full", 50.0), ("clia-focal", 45.0)):
            figures = {figure: str(level + seed * 10 + (0.5 if name == "full" else 0.0) * seed) for figure in FIGURES}
            rows[name, seed] = empty | figures | {"pictures": "9600", "seconds": "60", "parameters": "1000000"}
    del rows["clia-focal", 2]
    return rows


def test_differences_are_of_the_seeds_that_both_rows_have():
    claim = Claim("full", "clia-focal", "br10_0.5", None)
    assert differences(made_up_rows(), claim) == [5.0, 5.5]


def test_a_table_shows_both_papers_and_says_what_waits():
    table = next(table for table in TABLES if table.number == "7")
    text = table_text(table, made_up_rows())
    assert "| SigLIP loss | here | 60.5 ± " in text
    assert "|  | paper | 26.39 | 46.44 | 53.28 |  |" in text
    assert "too few seeds" in text
    assert "waiting" in table_text(table, {})


def test_only_what_stands_between_markers_is_replaced():
    page = "before\n<!-- a -->\nold\n<!-- end -->\nafter\n<!-- b -->\n<!-- end -->\n"
    filled = fill(page, {"a": "new"})
    assert filled == page.replace("old", "new")
    with pytest.raises(ValueError, match="0 markers"):
        fill(page, {"c": "new"})


def test_the_page_is_in_step_with_the_committed_rows():
    page = PAGE.read_text()
    assert fill(page, blocks(read_rows())) == page


def test_committed_rows_are_of_known_experiments():
    rows = read_rows()
    assert len(rows) >= 2
    assert {name for name, _ in rows} <= {item.name for item in EXPERIMENTS}
    assert {tuple(row) for row in rows.values()} == {COLUMNS}
    assert len({(row["gallery"], row["expressions"]) for row in rows.values()}) == 1


def test_two_stages_are_right_where_both_parts_are():
    none = np.zeros(4)
    pictures = Answers(np.array([0, 0, 7, 20]), np.array([0, 0, 7, 20]), none)
    objects = Answers(np.array([9, 9, 9, 9]), np.array([9, 9, 9, 9]), np.array([0.8, 0.2, 0.95, 0.95]))
    figures = ask_two_stages(pictures, objects).figures()
    assert [figures[f"br{k}_0.5"] for k in (1, 5, 10)] == [25, 25, 50]
    assert [figures[f"br{k}_0.9"] for k in (1, 5, 10)] == [0, 0, 25]
    assert figures["image_recall10"] == figures["precision_0.5"] == 75


def test_labels_of_pictures_are_those_of_their_objects():
    labels = torch.tensor([[1, -1, -1, 0], [-1, -1, -1, -1], [0, -1, 1, -1]], dtype=torch.int8)
    batch = Batch(
        pixels=torch.zeros(3, 8, 8, 3, dtype=torch.uint8),
        boxes_cxcywh=torch.zeros(4, 4),
        object_picture=torch.tensor([0, 0, 2, 2]),
        token_ids=torch.zeros(3, 1, dtype=torch.int64),
        token_mask=torch.ones(3, 1, dtype=torch.bool),
        text_picture=torch.zeros(3, dtype=torch.int64),
        labels=labels,
    )
    assert picture_labels(batch).tolist() == [[1, -1, 0], [-1, -1, -1], [0, -1, 1]]


@pytest.mark.requires_font
def test_a_tower_ranks_pictures_and_ties_count_against_it():
    gallery = make_gallery(4, split=VALIDATION, offset=900_000)
    tokenizer = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)
    torch.manual_seed(0)
    tower = Tower(tokenizer.vocabulary_size)
    answers = ask_tower(tower, tokenizer, gallery)
    assert answers.image_rank.min() >= 0
    assert answers.image_rank.max() <= 3
    assert len(answers.image_rank) == len(gallery.expressions) > 10
    torch.nn.init.zeros_(tower.clip.text_projection)  # every score is 0
    assert set(ask_tower(tower, tokenizer, gallery).image_rank.tolist()) == {3}


def test_a_tower_reads_a_sentence_as_open_clip_does():
    tokenizer = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)
    tower = Tower(tokenizer.vocabulary_size).eval()
    ids, mask = map(torch.from_numpy, tokenizer.encode(["a dog", "a small brown dog left of the lamp"]))
    padded = torch.zeros(2, MAX_TOKENS + 1, dtype=torch.int64)
    padded[:, : ids.shape[1]] = ids
    padded[torch.arange(2), mask.sum(dim=1)] = tokenizer.vocabulary_size  # the end of the sentence
    with torch.inference_mode():
        theirs = torch.nn.functional.normalize(tower.clip.encode_text(padded), dim=-1)
        assert torch.allclose(tower.encode_text(ids, mask), theirs, atol=1e-5)
        assert not torch.allclose(*theirs, atol=1e-3)
