"""Starting weights: SigLIP in two layouts, Deformable DETR to the same outputs, and what is refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from reir.errors import UsageError, WeightsMissingError
from reir.models.clare.builder import build_clare
from reir.models.clare.config import TINY
from reir.models.clare.pyramid import to_tokens
from reir.models.clare.start import load_start_weights
from tests.models import tiny_siglip
from tests.models.tiny_siglip import CONFIG


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    """A SigLIP of open_clip with random weights, its folder in open_clip's layout."""
    import json

    import open_clip

    folder = tmp_path_factory.mktemp("siglip")
    tiny_siglip.register_architecture(folder)
    torch.manual_seed(1)
    model = open_clip.create_model(tiny_siglip.NAME)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": tiny_siglip.ARCHITECTURE}))
    return model.eval(), folder


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A two-stage Deformable DETR of transformers with five classes and every weight random, and its folder."""
    import transformers

    torch.manual_seed(2)
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.DeformableDetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=CONFIG.width,
        encoder_layers=CONFIG.encoder_layers,
        decoder_layers=len(CONFIG.decoder_levels),
        encoder_attention_heads=CONFIG.heads,
        decoder_attention_heads=CONFIG.heads,
        encoder_ffn_dim=CONFIG.feedforward,
        decoder_ffn_dim=CONFIG.feedforward,
        encoder_n_points=CONFIG.points,
        decoder_n_points=CONFIG.points,
        num_feature_levels=4,
        two_stage=True,
        two_stage_num_proposals=CONFIG.queries,
        with_box_refine=True,
        num_labels=5,
    )
    model = transformers.DeformableDetrForObjectDetection(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = tmp_path_factory.mktemp("detector")
    model.save_pretrained(folder)
    return model, folder


@pytest.fixture
def network(siglip):
    torch.manual_seed(0)
    return build_clare(CONFIG).eval()


def names(network):
    return set(network.state_dict())


def test_siglip_from_a_folder_of_open_clip(network, siglip):
    model, folder = siglip
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    report = load_start_weights(network, siglip=str(folder), detector=None)
    assert set(report.loaded) | set(report.new) == names(network)
    assert not set(report.loaded) & set(report.new)
    assert {name.split(".")[1] for name in report.loaded} == {"backbone", "tower"}
    assert all("attn_pool" in key or "logit" in key for key in report.left_over)
    images, ids = torch.randn(1, 3, 64, 64), torch.randint(2, tiny_siglip.VOCABULARY, (2, 64))
    with torch.no_grad():
        middle = network.visual.backbone(images, None)[1]
        theirs = model.visual.trunk.forward_features(images)
        torch.testing.assert_close(to_tokens(middle), theirs, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network.text(ids, torch.ones_like(ids, dtype=torch.bool)), model.text(ids))
    after = network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in report.new)
    assert "more.shared.0 (4)" in report.summary()


def test_siglip_of_transformers(network, tmp_path):
    """Outputs equal transformers' own but for the activation, which open_clip computes exactly."""
    import transformers

    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    exact = {"hidden_act": "gelu"}
    model = transformers.SiglipModel(
        transformers.SiglipConfig(
            text_config={**sizes, **exact, "vocab_size": tiny_siglip.VOCABULARY, "max_position_embeddings": 64},
            vision_config={**sizes, **exact, "image_size": 64, "patch_size": 16},
        )
    ).eval()
    model.save_pretrained(tmp_path)
    report = load_start_weights(network, siglip=str(tmp_path), detector=None)
    assert set(report.loaded) | set(report.new) == names(network)
    assert all("vision_model.head." in key or "logit" in key for key in report.left_over)
    images, ids = torch.randn(1, 3, 64, 64), torch.randint(2, tiny_siglip.VOCABULARY, (2, 64))
    with torch.no_grad():
        middle = network.visual.backbone(images, None)[1]
        torch.testing.assert_close(
            to_tokens(middle), model.vision_model(images).last_hidden_state, atol=1e-4, rtol=1e-4
        )
        text = network.text(ids, torch.ones_like(ids, dtype=torch.bool))
        torch.testing.assert_close(text, model.text_model(ids).pooler_output, atol=1e-4, rtol=1e-4)


class Given(torch.nn.Module):
    """A backbone that has its maps already."""

    def __init__(self, planes):
        super().__init__()
        self.planes = planes

    def forward(self, images, padding):
        return self.planes


class Tokens(torch.nn.Module):
    """A projection that changes nothing."""

    def forward(self, plane):
        return to_tokens(plane)


@torch.no_grad()
def test_deformable_detr_to_the_same_outputs(network, detector):
    model, folder = detector
    report = load_start_weights(network, siglip=None, detector=str(folder))
    assert set(report.loaded) | set(report.new) == names(network)
    for part in ("visual.encoder.", "visual.decoder.layers.", "visual.decoder.box.", "visual.proposals."):
        assert not [name for name in report.new if name.startswith(part)]
    assert {name.split(".")[1] for name in report.new if "visual" in name} == {
        "backbone",
        "projections",
        "decoder",
        "instance",
    }
    assert [name for name in report.new if "decoder" in name] == [
        f"visual.decoder.score.{layer}.{kind}" for layer in range(2) for kind in ("weight", "bias")
    ]  # five classes are no objectness

    seen = {}
    hook = model.model.encoder.register_forward_pre_hook(lambda _, a, k: seen.update(k), with_kwargs=True)
    images = torch.randn(2, 3, 128, 192)
    output = model.model(pixel_values=images, pixel_mask=torch.ones(2, 128, 192).long())
    hook.remove()
    sizes = seen["spatial_shapes_list"]
    tokens = seen["inputs_embeds"].split([rows * columns for rows, columns in sizes], dim=1)
    planes = [level.transpose(1, 2).unflatten(2, size) for level, size in zip(tokens, sizes, strict=True)]
    network.visual.backbone = Given(planes)
    network.visual.projections = torch.nn.ModuleList(Tokens() for _ in planes)
    ours = network.visual(images)
    same = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(ours.hidden, output.last_hidden_state, **same)
    torch.testing.assert_close(ours.boxes_cxcywh, output.intermediate_reference_points.transpose(0, 1), **same)
    valid = ours.proposal_valid
    torch.testing.assert_close(ours.proposal_objectness[valid], output.enc_outputs_class[..., 0][valid], **same)


def test_deformable_detr_of_one_class_gives_objectness_and_projections_that_fit(network, detector, tmp_path):
    """Keys as transformers 5 names them in memory; what has no place is told with its shape."""
    model, _ = detector
    state = {name: tensor.clone() for name, tensor in model.state_dict().items() if "decoder.bbox" not in name}
    for name in list(state):
        if "class_embed" in name:
            state[name] = state[name][:1]
    state["model.input_proj.0.0.weight"] = torch.ones(32, 8, 1, 1)
    (tmp_path / "config.json").write_text('{"model_type": "deformable_detr"}')
    torch.save({"model": state}, tmp_path / "pytorch_model.bin")
    report = load_start_weights(network, siglip=None, detector=str(tmp_path))
    assert "visual.decoder.score.1.weight" in report.loaded
    assert "visual.projections.0.linear.weight" in report.loaded
    assert torch.equal(network.visual.projections[0].linear.weight, torch.ones(32, 8))
    assert "visual.projections.0.norm.weight" in report.new
    assert "detector: visual.projections.3.linear.weight (32, 16, 3, 3)" in report.left_over
    assert "detector: model.input_proj.0.1.weight" in report.left_over


def test_what_is_refused(network, siglip, detector, tmp_path, monkeypatch):
    _, siglip_folder = siglip
    _, detector_folder = detector
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UsageError, match="holds a deformable_detr, not a siglip"):
        load_start_weights(network, siglip=str(detector_folder), detector=None)
    with pytest.raises(UsageError, match=r"no config\.json with a model_type"):
        load_start_weights(network, siglip=None, detector=str(siglip_folder))
    with pytest.raises(UsageError, match="name its weights too, as ViT-B-16-SigLIP-384__webli"):
        load_start_weights(network, siglip="ViT-B-16-SigLIP-384", detector=None)
    with pytest.raises(UsageError, match="no file or folder"):
        load_start_weights(network, siglip=None, detector="nowhere")
    (tmp_path / "config.json").write_text('{"model_type": "deformable_detr"}')
    with pytest.raises(UsageError, match=r"holds no model\.safetensors"):
        load_start_weights(network, siglip=None, detector=str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="damaged"):
        load_start_weights(network, siglip=None, detector=str(tmp_path))
    save_file({"model.level_embed": torch.zeros(4, 32)}, tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match=r"not Deformable DETR with this network's sizes: of \d+ tensors"):
        load_start_weights(network, siglip=None, detector=str(tmp_path))
    state = load_file(siglip_folder / "open_clip_model.safetensors")
    state["visual.trunk.pos_embed"] = torch.zeros(1, 9, 16)
    save_file(state, tmp_path / "other.safetensors")
    tower = tmp_path / "tower"
    tower.mkdir()
    (tower / "open_clip_config.json").write_text((siglip_folder / "open_clip_config.json").read_text())
    save_file(state, tower / "open_clip_model.safetensors")
    with pytest.raises(UsageError, match=r"1 are missing or have another shape, as visual\.backbone\.trunk\.pos_embed"):
        load_start_weights(network, siglip=str(tower), detector=None)
    small = build_clare(TINY, vocabulary_size=9)
    with pytest.raises(UsageError, match="no place for SigLIP"):
        load_start_weights(small, siglip=str(siglip_folder), detector=None)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    name = "SenseTime/deformable-detr-with-box-refine-two-stage"
    with pytest.raises(WeightsMissingError, match=f"reir models download {name}"):
        load_start_weights(network, siglip=None, detector=name)
    with pytest.raises(WeightsMissingError, match="reir models download timm/ViT-B-16-SigLIP-384"):
        load_start_weights(network, siglip="ViT-B-16-SigLIP-384__webli", detector=None)


def released_keys(state):
    """The network's tensors under the keys of the authors' code, part by part, and two that it has besides."""
    detr = "detr.detr."
    keys = {f"{detr}transformer.tgt_embed.weight": torch.zeros(7, 32), "detr.controller.layers.0.weight": torch.ones(3)}
    for name, tensor in state.items():
        if name.startswith("visual.backbone.trunk."):
            keys[f"{detr}backbone.0.backbone.vision_model.{name[22:]}"] = tensor
        elif name.startswith("visual.backbone.finer."):
            keys[f"{detr}backbone.0.backbone.fpn1.0.{name[22:]}"] = tensor
        elif name.startswith("text.tower."):
            keys[f"text_encoder.model.{name[11:]}"] = tensor
        elif name == "visual.encoder.level_code":
            keys[f"{detr}transformer.level_embed"] = tensor
        elif name.startswith("visual.projections.") and ".linear.weight" in name:
            keys[f"{detr}input_proj.{name.split('.')[2]}.0.weight"] = tensor[..., None, None]
    norms = {
        "encoder": (("attention", "norm1"), ("feedforward", "norm2")),
        "decoder": (("self_attention", "norm2"), ("cross_attention", "norm1"), ("feedforward", "norm3")),
    }
    for side, pairs in norms.items():
        for layer in range(2):
            ours, theirs = f"visual.{side}.layers.{layer}.", f"{detr}transformer.{side}.layers.{layer}."
            deformable = "attention" if side == "encoder" else "cross_attention"
            called_deformable = "self_attn" if side == "encoder" else "cross_attn"
            for kind in ("weight", "bias"):
                for norm, called in pairs:
                    keys[f"{theirs}{called}.{kind}"] = state[f"{ours}{norm}_norm.{kind}"]
                for number in (1, 2):
                    keys[f"{theirs}linear{number}.{kind}"] = state[f"{ours}feedforward.fc{number}.{kind}"]
                for linear in ("sampling_offsets", "attention_weights", "value_proj", "output_proj"):
                    keys[f"{theirs}{called_deformable}.{linear}.{kind}"] = state[f"{ours}{deformable}.{linear}.{kind}"]
                if side == "decoder":
                    joined = [state[f"{ours}self_attention.{which}_proj.{kind}"] for which in "qkv"]
                    keys[f"{theirs}self_attn.in_proj_{kind}"] = torch.cat(joined)
                    keys[f"{theirs}self_attn.out_proj.{kind}"] = state[f"{ours}self_attention.o_proj.{kind}"]
    for kind in ("weight", "bias"):
        keys[f"{detr}transformer.enc_output.{kind}"] = state[f"visual.proposals.output.{kind}"]
        keys[f"{detr}transformer.enc_output_norm.{kind}"] = state[f"visual.proposals.output_norm.{kind}"]
        keys[f"{detr}class_embed.2.body.{kind}"] = state[f"visual.proposals.score.{kind}"]
        for layer in range(3):
            for j in range(3):
                ours = "visual.proposals.box" if layer == 2 else f"visual.decoder.box.{layer}"
                tensor = state[f"{ours}.layers.{j}.{kind}"]
                for prefix in (detr, f"{detr}transformer.decoder."):  # the module is stored under both names
                    keys[f"{prefix}bbox_embed.{layer}.layers.{j}.{kind}"] = tensor
    return keys


def test_the_authors_code_by_its_keys(network, tmp_path):
    torch.manual_seed(7)
    source = build_clare(CONFIG)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.randn_like(parameter))
    theirs = source.state_dict()
    torch.save({"model": released_keys(theirs), "iteration": 9}, tmp_path / "model_final.pth")
    report = load_start_weights(network, siglip=None, detector=str(tmp_path / "model_final.pth"))
    ours = network.state_dict()
    for name in report.loaded:
        torch.testing.assert_close(ours[name], theirs[name], msg=name)
    new = {".".join(name.split(".")[:3]) for name in report.new}
    assert new == {
        *("log_scale", "logit_bias", "more.shared.0", "more.gate.weight", "more.gate.bias"),
        *(f"more.routed.{expert}" for expert in range(4)),
        *(f"visual.projections.{level}" for level in range(4)),
        *("visual.decoder.score", "visual.instance.fc1", "visual.instance.fc2"),
        *("visual.proposals.position", "visual.proposals.position_norm"),
    }
    assert [key.split(".")[-2] for key in report.left_over] == ["tgt_embed", "0"]
