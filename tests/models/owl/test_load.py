"""From a name or a folder to a model: what is refused and why, and what makes two models the same."""

import json
import threading

import numpy as np
import pytest

from reir.errors import UsageError, WeightsMissingError
from reir.models import list_models
from reir.models.hub import hub_source, is_here
from reir.models.owl import REPOSITORIES, OwlFolder, OwlModel, load
from reir.models.specification import ModelSpec
from reir.protocols import Model
from tests.models.owl.conftest import make_model, make_picture
from tests.models.owl.tiny_owl import IMAGE_SIDE, NAMES, WIDTH, make_owl_folder


def test_it_is_a_model(owl):
    assert isinstance(owl.model, Model)
    assert owl.model.identity.dimension == WIDTH + 1
    assert owl.model.decode_side == 2 * IMAGE_SIDE
    assert owl.model.notice is None
    assert owl.model.calibration is None
    assert dict(owl.model.blend) == {}


def test_the_name_holds_the_whole_path_and_makes_the_same_model_again(owl, monkeypatch):
    monkeypatch.chdir(owl.folder.parent)
    found = load(ModelSpec.parse(f"{NAMES[owl.family]}:{owl.folder.name}"), device="cpu")
    assert found.identity.name == f"{NAMES[owl.family]}:{owl.folder.resolve()}"
    monkeypatch.chdir("/")
    assert load(ModelSpec.parse(found.identity.name), device="cpu").identity == found.identity == owl.model.identity


def test_a_copy_elsewhere_has_the_same_fingerprint(owl, copied_folder):
    assert make_model(copied_folder(owl.folder), owl.family).identity.fingerprint == owl.model.identity.fingerprint


@pytest.mark.parametrize("options", [",nms=0.5", ",nms=0.123456789012345", ",nms=1", ",precision=bfloat16"])
def test_settings_are_in_the_name_and_in_the_fingerprint(owl, options):
    other = make_model(owl.folder, owl.family, options)
    assert other.identity.name == owl.model.identity.name + options
    assert other.identity.fingerprint != owl.model.identity.fingerprint
    assert load(ModelSpec.parse(other.identity.name), device="cpu").identity == other.identity


def test_a_default_spelled_out_is_the_default(owl):
    assert make_model(owl.folder, owl.family, ",nms=0.70").identity == owl.model.identity


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "processor_config.json", "tokenizer.json"])
def test_every_file_that_is_used_is_in_the_fingerprint(owl, copied_folder, name):
    folder = copied_folder(owl.folder)
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    assert make_model(folder, owl.family).identity.fingerprint != owl.model.identity.fingerprint


def test_of_two_files_of_image_settings_the_one_that_the_library_takes_is_in_the_fingerprint(owl, copied_folder):
    from transformers import AutoImageProcessor

    folder = copied_folder(owl.folder)
    settings = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0, 0, 0]}))
    assert list(AutoImageProcessor.from_pretrained(folder).image_mean) == settings["image_mean"]
    assert make_model(folder, owl.family).identity.fingerprint == owl.model.identity.fingerprint


def test_other_weights_are_another_model(owl, tmp_path):
    other = make_model(make_owl_folder(tmp_path, owl.family, seed=1), owl.family)
    assert other.identity.fingerprint != owl.model.identity.fingerprint


def test_a_lower_nms_keeps_fewer(owl):
    picture = make_picture(150, 90)
    (usual,), (fewer,) = (
        model.extract([picture]) for model in (owl.model, make_model(owl.folder, owl.family, ",nms=0.05"))
    )
    assert len(fewer) < len(usual)
    assert fewer.objectness[0] == usual.objectness[0]


@pytest.mark.parametrize("options", [",nms=2", ",nms=x", ",precision=int8", ",size=480"])
def test_a_wrong_option_is_refused(owl, options):
    with pytest.raises(UsageError, match=options[1:].partition("=")[0]):
        make_model(owl.folder, owl.family, options)


def test_the_other_familys_folder_is_refused_and_the_right_name_said(owls):
    with pytest.raises(UsageError, match="--model owlv2-base:"):
        load(ModelSpec("owlvit-base-patch32", str(owls["owlv2"].folder)), device="cpu")
    with pytest.raises(UsageError, match="--model owlvit-base-patch32:"):
        load(ModelSpec("owlv2-large", str(owls["owlvit"].folder)), device="cpu")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "processor_config.json", "tokenizer.json"])
def test_a_missing_file_is_named(owls, copied_folder, name):
    folder = copied_folder(owls["owlv2"].folder)
    (folder / name).unlink()
    with pytest.raises(UsageError, match=name):
        OwlFolder.open(folder)


def test_what_is_no_owl_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="not a folder"):
        OwlFolder.open(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        OwlFolder.open(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(UsageError, match="'clip'"):
        OwlFolder.open(tmp_path)


def test_sizes_left_out_of_the_configuration_are_the_librarys_defaults(owl, copied_folder):
    import transformers

    folder = copied_folder(owl.folder)
    (folder / "config.json").write_text(json.dumps({"model_type": owl.family}))
    found = OwlFolder.open(folder)
    config = {"owlvit": transformers.OwlViTConfig, "owlv2": transformers.Owlv2Config}[owl.family]()
    text = config.text_config
    assert (found.dimension, found.image_side) == (config.projection_dim, config.vision_config.image_size)
    assert (found.text.width, found.text.heads) == (text.hidden_size, text.num_attention_heads)
    assert (found.text.layers, found.text.max_tokens) == (text.num_hidden_layers, text.max_position_embeddings)
    assert found.text.epsilon == text.layer_norm_eps
    assert text.hidden_act == "quick_gelu"


def test_weights_without_the_detectors_heads_are_refused(owls, copied_folder):
    """The library itself would fill them with random numbers and only say so."""
    from safetensors.numpy import load_file, save_file

    folder = copied_folder(owls["owlv2"].folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("class_head.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"class_head\.dense0\.bias"):
        make_model(folder, "owlv2").extract([make_picture(60, 60)])


def test_pytorchs_own_weights_and_older_settings_load_too(owls, copied_folder):
    """As the hub has the oldest of them: pytorch_model.bin, preprocessor_config.json with a number for the size."""
    import torch

    owl = owls["owlvit"]
    folder = copied_folder(owl.folder)
    (folder / "model.safetensors").unlink()
    torch.save(owl.reference.network.state_dict(), folder / "pytorch_model.bin")
    settings = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    settings = {**settings, "feature_extractor_type": "OwlViTFeatureExtractor", "size": IMAGE_SIDE}
    del settings["image_processor_type"]
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    picture = make_picture(150, 90)
    (found,), (expected,) = make_model(folder, "owlvit").extract([picture]), owl.model.extract([picture])
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.vectors, expected.vectors)


def test_several_threads_load_the_network_once(owl, monkeypatch):
    import reir.models.owl.detect as module

    loads = []
    original = module._load
    monkeypatch.setattr(module, "_load", lambda folder: loads.append(folder) or original(folder))
    model = make_model(owl.folder, owl.family)
    picture = make_picture(150, 90)
    found = {}

    def work(number):
        found[number] = (model.extract([picture])[0], model.encode(["a red dog"]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    for instances, query in found.values():
        np.testing.assert_array_equal(query, found[0][1])
        np.testing.assert_allclose(instances.vectors, found[0][0].vectors, atol=1e-5)
    assert len(found) == 4


def test_the_registered_names_lead_here():
    found = {entry.name for entry in list_models() if entry.loader == "reir.models.owl:load"}
    assert found == set(REPOSITORIES)
    assert len(found) == 5


@pytest.mark.parametrize("name", REPOSITORIES)
def test_without_a_network_the_error_names_the_download(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissingError, match="reir models download"):
        load(ModelSpec(name), device="cpu")


def test_a_part_of_it_in_the_hubs_cache_is_not_the_users_folder(tmp_path, monkeypatch):
    """Other programs fetch a configuration alone."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    storage = tmp_path / "models--google--owlvit-base-patch16"
    (storage / "refs").mkdir(parents=True)
    (storage / "refs/main").write_text("a" * 40)
    (storage / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (storage / "snapshots" / ("a" * 40) / "config.json").write_text('{"model_type": "owlvit"}')
    assert not is_here(hub_source("google/owlvit-base-patch16"))
    with pytest.raises(WeightsMissingError, match="reir models download owlvit-base-patch16"):
        load(ModelSpec("owlvit-base-patch16"), device="cpu")


@pytest.mark.hub
@pytest.mark.slow
def test_the_published_owlv2_finds_a_red_square_on_white(tmp_path):
    """The real weights; they must have been fetched (reir models download owlv2-base), or be had from the hub now."""
    try:
        model = load(ModelSpec("owlv2-base"), device="cpu")
    except WeightsMissingError as error:
        pytest.skip(f"needs the published weights: {error}")
    assert isinstance(model, OwlModel)
    assert model.identity.dimension == 513
    pixels = np.full((480, 640, 3), 255, dtype=np.uint8)
    pixels[100:220, 380:560] = (200, 20, 20)
    from reir.types import Picture

    (found,) = model.extract([Picture(pixels, 640, 480)])
    red, blue = (found.vectors @ model.encode(["a red rectangle", "a blue bicycle"]).T).T
    x0, y0, x1, y1 = found.boxes[int(red.argmax())]
    assert red.max() > blue.max()
    assert np.abs(np.array([x0, y0, x1, y1]) - [380, 100, 560, 220]).max() < 25
