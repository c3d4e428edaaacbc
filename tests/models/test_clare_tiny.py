"""The weights that ship in the package."""

from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from reir.data import load_dataset
from reir.data.expressions import describe
from reir.data.layout import make_scene
from reir.data.splits import TEST
from reir.imaging.decode import decode_picture
from reir.metrics import box_recall_from_arrays
from reir.models import load_model, model_entry
from reir.types import Picture


@pytest.fixture(scope="module")
def model():
    return load_model("clare-tiny", device="cpu")


@pytest.fixture(scope="module")
def expressions() -> list[str]:
    """2,000 different test expressions."""
    rng = np.random.default_rng(0)
    texts = (item.text for seed in TEST.seeds(1000) for item, _ in describe(make_scene(seed), rng, 6))
    return list(islice(dict.fromkeys(texts), 2000))


def test_it_says_how_narrow_its_world_is(model):
    assert "emoji" in model.notice


def test_it_stays_small_and_its_record_says_how_small(model):
    size = sum(file.stat().st_size for file in model.folder.iterdir())
    assert size < 20e6
    assert model_entry("clare-tiny").megabytes == pytest.approx(size / 1e6, abs=0.05)


@pytest.mark.requires_font
@pytest.mark.parametrize("batch", [1, 64])
def test_onnx_equals_torch_on_test_expressions(model, expressions, batch):
    assert len(expressions) == 2000
    ids, mask = model._tokenizer.encode(expressions)
    with torch.inference_mode():
        expected = model._network.encode_text(torch.from_numpy(ids), torch.from_numpy(mask)).embedding.numpy()
    got = np.concatenate([model.encode(expressions[i : i + batch]) for i in range(0, len(expressions), batch)])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_it_knows_every_word_of_the_demo(model):
    queries = load_dataset("demo").queries
    assert not [query.text for query in queries if model.text_warnings(query.text)]


def test_it_is_calibrated(model):
    """Weights that are replaced need ``reir models calibrate`` again; a calibration of others is not used."""
    assert model.calibration is not None
    assert model.calibration.made["dataset"] == "validation"
    assert 0.1 < model.calibration.threshold <= 0.5


def test_it_finds_what_the_demo_describes(model):
    """Far above chance on 100 pictures of the demo gallery; the figures on the test split are in the model card."""
    dataset = load_dataset("demo")
    names = [image.file_name for image in dataset.images[:100]]
    number = {name: i for i, name in enumerate(names)}
    pictures = [decode_picture(dataset.images_root / name, max_side=model.decode_side).picture for name in names]
    instances = model.extract(pictures)
    queries = [query for query in dataset.queries if query.file_name in number]
    recall = box_recall_from_arrays(
        model.encode([query.text for query in queries]),
        np.array([number[query.file_name] for query in queries]),
        np.array([query.box for query in queries], dtype=np.float32),
        np.concatenate([found.vectors for found in instances]),
        np.concatenate([found.boxes for found in instances]),
        np.repeat(np.arange(len(names)), [len(found) for found in instances]),
        ks=(1, 5),
        ious=(0.5,),
    )
    assert len(queries) > 200
    assert recall["official"]["box_recall"]["0.5"]["1"] > 0.5
    assert recall["precision_at_0.5"] > 0.8


def test_large_and_small_copies_of_a_picture_give_the_same_boxes(model):
    dataset = load_dataset("demo")
    picture = decode_picture(dataset.images_root / dataset.images[0].file_name).picture
    large = Image.fromarray(picture.pixels).resize((4 * picture.width, 4 * picture.height), Image.Resampling.BICUBIC)
    (one,), (four,) = (
        model.extract([picture]),
        model.extract([Picture(np.asarray(large), large.width, large.height)]),
    )
    count = min(len(one), len(four), 2)
    side = max(picture.width, picture.height)
    np.testing.assert_allclose(four.boxes[:count] / 4, one.boxes[:count], atol=0.02 * side)
