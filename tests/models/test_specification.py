from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.errors import UsageError
from reir.models.specification import ModelSpec, changed_options


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("owlv2-base", ModelSpec("owlv2-base")),
        ("owlv2-base:/models/owl, v2", ModelSpec("owlv2-base", "/models/owl, v2")),
        ("rpn-clip:ViT-B-32__openai,size=480", ModelSpec("rpn-clip", "ViT-B-32__openai", {"size": "480"})),
        ("rpn-clip:size=480,pad=0.1", ModelSpec("rpn-clip", None, {"size": "480", "pad": "0.1"})),
        ("clare:C:/odd,folder=x", ModelSpec("clare", "C:/odd", {"folder": "x"})),
    ],
)
def test_a_name_has_an_argument_and_options(text: str, spec: ModelSpec) -> None:
    assert ModelSpec.parse(text) == spec


@pytest.mark.parametrize("text", ["", ":folder", "rpn-clip:size=1,size=2"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ModelSpec.parse(text)


@given(
    st.from_regex(r"[a-z][a-z0-9-]*", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9/_. -]+", fullmatch=True),
    st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), st.from_regex(r"[A-Za-z0-9/._-]*", fullmatch=True)),
)
def test_a_written_name_is_read_again(name: str, argument: str | None, options: dict[str, str]) -> None:
    spec = ModelSpec(name, argument, options)
    assert ModelSpec.parse(str(spec)) == spec


def test_options_are_checked() -> None:
    spec = ModelSpec.parse("rpn-clip:size=480,pad=much")
    assert spec.number("size", 800, low=100, high=2000) == 480
    assert spec.number("top", 7, low=1, high=9) == 7
    with pytest.raises(UsageError, match="pad must be a number from 0 to 1, got 'much'"):
        spec.number("pad", 0, low=0, high=1)
    with pytest.raises(UsageError, match="size must be"):
        spec.number("size", 0, low=0, high=1)
    spec.require_options(["size", "pad"])
    with pytest.raises(UsageError, match="has no option 'pad'; it has: size"):
        spec.require_options(["size"])


def test_whole_numbers() -> None:
    spec = ModelSpec.parse("rpn-clip:size=480,top=2.5")
    assert spec.whole_number("size", 800, low=100, high=2000) == 480
    with pytest.raises(UsageError, match=r"top must be a whole number, got '2.5'"):
        spec.whole_number("top", 7, low=1, high=9)


@given(st.floats(-10, 10) | st.integers(-10, 10))
def test_a_setting_that_is_no_default_is_written_with_every_digit(value: float) -> None:
    assert changed_options({"nms": value, "resize": "squash"}, {"nms": value, "resize": "squash"}) == {}
    written = changed_options({"nms": value, "resize": "squash"}, {"nms": 11, "resize": "longest"})
    assert ModelSpec.parse(str(ModelSpec("rpn-clip", None, written))).number("nms", 11, low=-10, high=10) == value
    assert written["resize"] == "squash"
