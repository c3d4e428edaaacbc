"""A folder of a network around SigLIP: saved, indexed, searched, and read where open_clip does not know its towers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reir.errors import ReirError, UsageError
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import load_network, save_checkpoint_folder
from reir.models.clare.model import ClareModel
from reir.models.clare.tokenizer import SiglipTokenizer
from reir.types import Picture
from tests.models import tiny_siglip
from tests.models.siglip_tokenizer import WORDS, save_unigram

SERVING = {"canvases": [[64, 128], [128, 128]], "max_tokens": 64, "min_objectness": 0.0, "nms_iou": 0.9}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = save_unigram(tmp_path_factory.mktemp("tokenizer"), vocabulary=tiny_siglip.VOCABULARY)
    return SiglipTokenizer.find(str(folder))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    tiny_siglip.register_architecture(tmp_path_factory.mktemp("architecture"))
    torch.manual_seed(0)
    network = build_clare(tiny_siglip.CONFIG).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory, network, tokenizer):
    path = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint_folder(path, network, tiny_siglip.CONFIG, tokenizer, serving=SERVING, notice=None, card="# random")
    return path


@pytest.fixture(scope="module")
def model(folder):
    return ClareModel(folder, name="clare:random", device="cpu")


def picture(seed, width=200, height=100):
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 10, width // 10, 3), dtype=np.uint8)
    return Picture(np.repeat(np.repeat(pixels, 10, 0), 10, 1), width, height)


@pytest.mark.parametrize("count", [1, 5, 40, 100])
def test_the_exported_text_branch_equals_torch_at_every_length(model, network, count):
    texts = [" ".join(WORDS.split()[i : i + count]) for i in range(3)] + ["dog"]
    ids, mask = model._tokenizer.encode(texts)
    with torch.inference_mode():
        expected = model._network.encode_text(torch.from_numpy(ids), torch.from_numpy(mask)).embedding.numpy()
        unrounded = network.encode_text(torch.from_numpy(ids), torch.from_numpy(mask)).embedding.numpy()
    got = model.encode(texts)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(got, unrounded, atol=2e-3)
    assert got.std(axis=0).max() > 1e-3, "the texts differ"


def test_weights_are_halves(folder, network):
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert 2 * numbers <= (folder / "model.safetensors").stat().st_size < 2.5 * numbers
    import onnx

    stored = onnx.load(str(folder / "text.onnx")).graph.initializer
    large = [tensor for tensor in stored if np.prod(tensor.dims) >= 1024]
    assert len(large) >= 5
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.FLOAT16}


def test_words_beyond_the_context_are_told(model):
    assert model.text_warnings("The red dog.") == []
    assert model.text_warnings("the \u732b") == ["clare:random does not know: \u732b"]
    text = " ".join(["cushion"] * 70)
    (warning,) = model.text_warnings(text)
    assert warning.startswith("too long, not read: cushion cushion")
    assert 0 < model.share_read(text) < 1


def test_the_folder_is_read_where_open_clip_does_not_know_the_towers(folder, tmp_path):
    """In a fresh process timm knows the trunk (an own one), open_clip has never heard of the architecture."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; import numpy as np;"
        "from tests.models.tiny_siglip import register_trunk; register_trunk();"
        "from tests.models.test_clare_siglip_folder import picture;"
        "from reir.models import load_model;"
        "model = load_model('clare:' + sys.argv[1], device='cpu');"
        "(instances,) = model.extract([picture(0)]);"
        "np.save(sys.argv[3], instances.vectors)"
    )
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code, str(folder), root, str(tmp_path / "vectors.npy")], check=True)
    (here,) = ClareModel(folder, name="x", device="cpu").extract([picture(0)])
    assert len(here) >= 1
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), here.vectors, atol=1e-5)


def test_a_gallery_is_indexed_and_searched(folder, tmp_path, capsys):
    from reir.cli.app import run

    gallery = tmp_path / "photos"
    gallery.mkdir()
    for seed in range(3):
        Image.fromarray(picture(seed).pixels).save(gallery / f"{seed}.png")
    assert run(["index", str(gallery), "--model", f"clare:{folder}", "--device", "cpu"]) == 0
    capsys.readouterr()
    assert run(["search", "the red dog near the lamp", "--db", str(gallery / ".reir"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {hit["path"] for hit in answer["hits"]} == {"0.png", "1.png", "2.png"}


def test_encoding_needs_no_torch(folder):
    code = (
        "import sys; from pathlib import Path; from reir.models.clare.model import ClareModel;"
        f"ClareModel(Path({str(folder)!r}), name='x').encode(['the red dog']);"
        "assert not {'torch', 'transformers', 'open_clip', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_architecture_file_is_refused(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "architecture.json").write_text("{}")
    with pytest.raises(UsageError, match=r"architecture\.json is missing or not the file"):
        load_network(tmp_path, json.loads((tmp_path / "config.json").read_text()))


def test_what_cannot_be_saved(network, tokenizer, tmp_path):
    arguments = {"serving": SERVING, "notice": None, "card": ""}
    few = {**tiny_siglip.ARCHITECTURE, "text_cfg": {**tiny_siglip.ARCHITECTURE["text_cfg"], "vocab_size": 9}}
    with pytest.raises(ValueError, match="has 9 tokens, the tokenizer"):
        save_checkpoint_folder(tmp_path, network, tiny_siglip.CONFIG, tokenizer, architecture=few, **arguments)
    broken = build_clare(tiny_siglip.CONFIG)
    with torch.no_grad():
        broken.log_scale.fill_(1e6)
    with pytest.raises(ReirError, match="not finite in float16, as log_scale"):
        save_checkpoint_folder(tmp_path, broken, tiny_siglip.CONFIG, tokenizer, **arguments)


def test_an_architecture_that_is_no_siglip():
    from reir.models.clare.siglip import siglip_towers

    with pytest.raises(UsageError, match=r"no architecture 'ViT-B-16-SigLIP-38'\. Did you mean ViT-B-16-SigLIP-384"):
        siglip_towers("ViT-B-16-SigLIP-38")
    with pytest.raises(UsageError, match="ViT-B-32 is no SigLIP"):
        siglip_towers("ViT-B-32")
