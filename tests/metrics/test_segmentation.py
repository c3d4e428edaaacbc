import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reir.geometry.masks import encode_rle
from reir.metrics.segmentation import ObjectCentricIou, mask_counts, mask_ious, object_centric_iou, segmentation_figures
from tests.metrics import plain_masks as plain


def mask(*lines):
    return np.array([[letter == "x" for letter in line] for line in lines])


TRUTH = mask("xx..", "xx..")
HALF = mask("x...", "x...")
SHIFTED = mask(".xx.", ".xx.")
AWAY = mask("...x", "...x")
NOTHING = np.zeros((2, 4), dtype=bool)


def test_counts_by_hand_in_every_form():
    uncompressed = {"size": [2, 4], "counts": [2, 4, 2]}  # down the columns: the middle two columns
    for prediction in (SHIFTED, encode_rle(SHIFTED), uncompressed):
        for truth in (TRUTH, encode_rle(TRUTH)):
            assert mask_counts(prediction, truth) == (2, 6)
    assert mask_counts(NOTHING, TRUTH) == mask_counts(encode_rle(NOTHING), encode_rle(TRUTH)) == (0, 4)
    assert mask_counts(NOTHING, NOTHING) == mask_counts(encode_rle(NOTHING), encode_rle(NOTHING)) == (0, 0)


def test_figures_by_hand():
    # IoU 1, 2/4, 2/6 and 0 (nothing painted): only the first exceeds a half.
    pairs = [(TRUTH, TRUTH), (HALF, TRUTH), (SHIFTED, TRUTH), (NOTHING, TRUTH)]
    intersections, unions = zip(*(mask_counts(*pair) for pair in pairs), strict=True)
    figures, around = segmentation_figures(intersections, unions, object_ious=[1.0, 0.5])
    assert figures == {
        "mean_iou": pytest.approx((1 + 1 / 2 + 1 / 3) / 4),
        "overall_iou": (4 + 2 + 2) / (4 + 4 + 6 + 4),
        "object_centric_iou": 0.75,
        "precision_at_0.5": 0.25,
        "precision_at_0.7": 0.25,
        "precision_at_0.9": 0.25,
    }
    assert list(around) == list(figures)
    assert all(0 <= low < figures[name] < high <= 1 for name, (low, high) in around.items())
    assert around["object_centric_iou"] == [0.5, 1.0]


def test_object_centric_iou_by_hand():
    assert object_centric_iou(TRUTH, [TRUTH]) == 1
    assert object_centric_iou(TRUTH, [SHIFTED]) == mask_ious([2], [6])[0]
    # The second paints the left half only: 2 pixels in all, of the truth's 4.
    assert object_centric_iou(TRUTH, [TRUTH, HALF]) == 0.5
    # The third paints another object: nothing is common, though two of three are perfect.
    assert object_centric_iou(TRUTH, [TRUTH, TRUTH, AWAY]) == 0
    # The left column is not in the shifted one: nothing is common to all three, 3 columns are in one.
    assert object_centric_iou(TRUTH, [HALF, SHIFTED]) == 0
    assert object_centric_iou(TRUTH, [TRUTH, SHIFTED]) == 2 / 6
    assert object_centric_iou(TRUTH, [NOTHING, TRUTH]) == 0
    assert object_centric_iou(NOTHING, [NOTHING, NOTHING]) == 1


def masks(height=3, width=4):
    return arrays(bool, (height, width))


@given(st.lists(st.tuples(masks(), masks()), min_size=1, max_size=12), st.booleans())
def test_figures_equal_the_plain_ones(pairs, encoded):
    form = encode_rle if encoded else np.asarray
    counts = [mask_counts(form(first), form(second)) for first, second in pairs]
    figures, _ = segmentation_figures(*zip(*counts, strict=True), ious=(0.2, 0.5))
    sets = [(plain.pixels(first), plain.pixels(second)) for first, second in pairs]
    overlaps = [plain.iou(*pair) for pair in sets]
    below = sum(len(a | b) for a, b in sets)
    assert figures["mean_iou"] == pytest.approx(sum(overlaps) / len(overlaps))
    assert figures["overall_iou"] == pytest.approx(sum(len(a & b) for a, b in sets) / below if below else 1.0)
    assert figures["precision_at_0.5"] == pytest.approx(sum(value > 0.5 for value in overlaps) / len(overlaps))
    assert figures["precision_at_0.2"] == pytest.approx(sum(value > 0.2 for value in overlaps) / len(overlaps))


@given(st.lists(st.tuples(masks(), st.lists(masks(), min_size=1, max_size=4)), min_size=1, max_size=5), st.randoms())
def test_object_centric_iou_equals_the_plain_one_in_any_order(objects, chance):
    answers = [(i, painted) for i, (_, predictions) in enumerate(objects) for painted in predictions]
    chance.shuffle(answers)
    counter = ObjectCentricIou()
    for i, painted in answers:
        counter.add(i, painted, encode_rle(objects[i][0]))
    first = list(dict.fromkeys(i for i, _ in answers))
    expected = [
        plain.object_centric(plain.pixels(objects[i][0]), [plain.pixels(m) for m in objects[i][1]]) for i in first
    ]
    assert len(counter) == len(objects)
    np.testing.assert_allclose(counter.ious(), expected)
    assert object_centric_iou(*objects[first[0]]) == expected[0]


def test_the_interval_of_the_overall_iou_resamples_queries():
    rng = np.random.default_rng(0)
    # Objects of two sizes, the large ones found better: the ratio leans on them, and so does its interval.
    sizes = np.where(rng.random(60) < 0.3, 8, 2)
    pairs = []
    for size in sizes:
        truth = np.zeros((8, 8), dtype=bool)
        truth[:size, :size] = True
        pairs.append((truth & (rng.random((8, 8)) < (0.9 if size == 8 else 0.2)), truth))
    counts = [mask_counts(*pair) for pair in pairs]
    _, around = segmentation_figures(*zip(*counts, strict=True))
    low, high = plain.overall_interval([(plain.pixels(a), plain.pixels(b)) for a, b in pairs], 2000)
    assert around["overall_iou"] == [pytest.approx(low, abs=0.012), pytest.approx(high, abs=0.012)]


def test_nothing_at_all():
    assert ObjectCentricIou().ious().shape == (0,)
    assert mask_ious([], []).shape == (0,)
    with pytest.raises(ValueError, match="no queries"):
        segmentation_figures([], [])
    with pytest.raises(ValueError, match="without expressions"):
        object_centric_iou(TRUTH, [])


def test_masks_of_two_sizes_and_impossible_counts_are_refused():
    wide = np.zeros((2, 5), dtype=bool)
    for form in (np.asarray, encode_rle):
        with pytest.raises(ValueError, match=r"\[2, 5\] and \[2, 4\]"):
            mask_counts(form(wide), form(TRUTH))
    counter = ObjectCentricIou()
    counter.add("a", TRUTH, TRUTH)
    with pytest.raises(ValueError, match="one size"):
        counter.add("a", wide, wide)
    with pytest.raises(ValueError, match="at most its union"):
        mask_ious([3], [2])
    with pytest.raises(ValueError, match="as many"):
        mask_ious([1, 1], [2])
