import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_worked_example_of_the_page_is_true():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried >= 7
    assert failed == 0
