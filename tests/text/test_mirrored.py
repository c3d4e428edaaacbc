from __future__ import annotations

import pytest

from reir.text.mirrored import mirror_words, says_position


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("a red cup", "a red cup"),
        ("walking right ahead of the dog", "walking right ahead of the dog"),
        ("man on the left", "man on the right"),
        ("Left guy", "Right guy"),
        ("RIGHT zebra", "LEFT zebra"),
        ("the leftmost horse", "the rightmost horse"),
        ("a left-hand glove of a right handed batter", "a right-hand glove of a left handed batter"),
        ("lefthand side", "righthand side"),
        ("on the right hand side", "on the left hand side"),
        ("second giraffe from left", "second giraffe from right"),
        ("third from the far right", "third from the far left"),
        ("cow to the left of the right tree", "cow to the right of the left tree"),
        ("facing left, looking right", "facing right, looking left"),
        ("lady on rt", "lady on left"),
        ("the right behind the fence", "the left behind the fence"),
        ("top right", "top left"),
        ("just right of the lamp", "just left of the lamp"),
        ("dog right behind the cat", "dog right behind the cat"),
        ("bench right next to the left wall", "bench right next to the right wall"),
        ("right in front of the bus", "right in front of the bus"),
        ("it is all right", "it is all right"),
        ("bright upright lamp with leftovers", "bright upright lamp with leftovers"),
        ("man in second row", "man in second row"),
        ("the man's dog's left ear", "the man's dog's right ear"),
    ],
)
def test_left_and_right_change_places_and_back(text: str, mirrored: str) -> None:
    assert mirror_words(text) == mirrored
    if "rt" not in text.split():
        assert mirror_words(mirrored) == text


@pytest.mark.parametrize(
    "text",
    [
        *("player number 12", "jersey #7", "the sign that says stop", 'bus with "express"', "bus 42", "letter b"),
        *("clock at three o'clock", "clockwise arrow", "west side of the street", "guy on l", "bottom R"),
        *(
            "bus to 'zoo'",
            "second man",
            "the last one",
            "1st cow",
            "food left on the plate",
            "the only slice left",
            "he left",
        ),
        *("bag left behind", "dog right by the door", "right in the middle of it by the door of number six"),
        *("woman right at the table", "a bag that was left"),
        "what's left of the pizza",
        "slice that is left",
        "two pieces left",
    ],
)
def test_what_is_not_certain_is_not_mirrored(text: str) -> None:
    assert mirror_words(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("second from left", "middle one", "far right", "the topmost book", "in the corner", "two dogs", "guy on l"),
        *("fully visible chair", "man cut off by the edge", "last car", "only cat", "at 3 o'clock", "half of a pizza"),
    ],
)
def test_positions_counts_and_extent_are_bound_to_the_frame(text: str) -> None:
    assert says_position(text)


@pytest.mark.parametrize(
    "text", ["a red cup", "woman in blue beside the dog", "the biggest sandwich", "dark bright sky"]
)
def test_what_a_window_leaves_true(text: str) -> None:
    assert not says_position(text)
