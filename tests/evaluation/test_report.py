from reir.evaluation import evaluate, format_report
from tests.evaluation.gallery import make_index, write_dataset
from tests.grid_colour_model import GridColourModel


def report(tmp_path, **options):
    model = GridColourModel()
    with make_index(tmp_path / "images", tmp_path / "db", model).snapshot() as snapshot:
        return format_report(evaluate(snapshot, model, write_dataset(tmp_path), **options))


def test_shows_every_figure_with_its_interval(tmp_path):
    lines = report(tmp_path, ks=(1, 2)).splitlines()
    assert lines[0] == "painted: 4 expressions, 3 pictures, 12 instances"
    row = next(line for line in lines if line.startswith("IoU > 0.9"))
    assert "  25.0 [0.0, 75.0]  " in row
    assert any(line.startswith("Precision@0.5 inside the right picture") and "75.0 [" in line for line in lines)
    assert next(line for line in lines if line.startswith("two ")).split() == [
        "two", "2", "0.0", "100.0", "0.0", "100.0", "100.0"
    ]  # fmt: skip
    assert "Ambiguous expressions, apart from all above: 1" in lines
    assert max(map(len, lines)) <= 120


def test_one_protocol_shows_no_other(tmp_path):
    text = report(tmp_path, protocol="official")
    assert "official" in text
    assert "any" not in text
    assert "ambiguous" not in text
