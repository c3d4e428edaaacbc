"""Deformable attention, encoder, decoder and two-stage selection equal transformers' DeformableDetr, weights copied."""

import pytest
import torch

from reir.models.clare.decoder import Decoder, DecoderLayer
from reir.models.clare.deformable import DeformableAttention
from reir.models.clare.encoder import Encoder
from reir.models.clare.geometry import level_padding, picture_extent, update_logit
from reir.models.clare.proposals import ProposalHead

WIDTH, HEADS, POINTS, QUERIES, LAYERS = 32, 4, 2, 7, 2
STRIDES = (8, 16, 32)


@pytest.fixture(scope="module")
def reference():
    """A small two-stage DeformableDetr with box refinement; every weight random, dropout off."""
    import transformers

    torch.manual_seed(0)
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
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        encoder_n_points=POINTS,
        decoder_n_points=POINTS,
        num_feature_levels=len(STRIDES),
        two_stage=True,
        two_stage_num_proposals=QUERIES,
        with_box_refine=True,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        num_labels=1,
    )
    model = transformers.DeformableDetrForObjectDetection(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture(scope="module")
def run(reference):
    """One forward pass over a full and a padded picture, with everything that went into encoder and decoder."""
    torch.manual_seed(1)
    padding = torch.zeros(2, 96, 128, dtype=torch.bool)
    padding[1, 64:] = True
    padding[1, :, 96:] = True
    images = torch.randn(2, 3, 96, 128).masked_fill(padding[:, None], 0.0)
    seen = {}
    hooks = [
        part.register_forward_pre_hook(lambda _, a, k, name=name: seen.__setitem__(name, k), with_kwargs=True)
        for name, part in (("encoder", reference.model.encoder), ("decoder", reference.model.decoder))
    ]
    with torch.no_grad():
        output = reference.model(pixel_values=images, pixel_mask=(~padding).long())
    for hook in hooks:
        hook.remove()
    flat = [level_padding(padding, stride).flatten(1) for stride in STRIDES]
    return {
        **seen,
        "output": output,
        "shapes": seen["decoder"]["spatial_shapes_list"],
        "extent": picture_extent(padding),
        "padding": flat,
    }


def copy_weights(target, source, names):
    """Copy state, renaming the source's keys by ``names`` (in order), and take every key."""
    state = {}
    for key, value in source.state_dict().items():
        for old, new in names.items():
            key = key.replace(old, new)
        state[key] = value
    target.load_state_dict(state)
    return target.eval()


ENCODER_LAYER = {
    "self_attn_layer_norm": "attention_norm",
    "self_attn": "attention",
    "mlp": "feedforward",
    "final_layer_norm": "feedforward_norm",
}
DECODER_LAYER = {
    "self_attn_layer_norm": "self_attention_norm",
    "self_attn": "self_attention",
    "encoder_attn_layer_norm": "cross_attention_norm",
    "encoder_attn": "cross_attention",
    "mlp": "feedforward",
    "final_layer_norm": "feedforward_norm",
}


def levels_of(run, tokens):
    return tokens.split([rows * columns for rows, columns in run["shapes"]], dim=1)


def same(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("coordinates", [2, 4])
@torch.no_grad()
def test_deformable_attention(reference, run, coordinates):
    theirs = reference.model.decoder.layers[0].encoder_attn
    ours = copy_weights(DeformableAttention(width=WIDTH, heads=HEADS, levels=len(STRIDES), points=POINTS), theirs, {})
    torch.manual_seed(2)
    queries = torch.randn(2, QUERIES, WIDTH)
    references = torch.rand(2, QUERIES, coordinates) * 0.9 + 0.05
    memory = run["output"].encoder_last_hidden_state
    expected, _ = theirs(
        hidden_states=queries,
        attention_mask=~torch.cat(run["padding"], 1),
        encoder_hidden_states=memory,
        reference_points=references[:, :, None].expand(-1, -1, len(STRIDES), -1),
        spatial_shapes=torch.tensor(run["shapes"]),
        spatial_shapes_list=run["shapes"],
        level_start_index=None,
    )
    same(ours(queries, references, levels_of(run, memory), run["shapes"], padding=run["padding"]), expected)


@torch.no_grad()
def test_encoder(reference, run):
    ours = Encoder(layers=LAYERS, width=WIDTH, heads=HEADS, levels=len(STRIDES), points=POINTS, feedforward=48)
    for mine, theirs in zip(ours.layers, reference.model.encoder.layers, strict=True):
        copy_weights(mine, theirs, ENCODER_LAYER)
    ours.level_code.copy_(reference.model.level_embed)
    got = ours(run["encoder"]["inputs_embeds"], run["shapes"], extent=run["extent"], padding=run["padding"])
    valid = ~torch.cat(run["padding"], 1)
    same(got[valid], run["output"].encoder_last_hidden_state[valid])


@torch.no_grad()
def test_decoder_layer(reference, run):
    theirs = reference.model.decoder.layers[1]
    ours = copy_weights(
        DecoderLayer(width=WIDTH, heads=HEADS, levels=len(STRIDES), points=POINTS, feedforward=48),
        theirs,
        DECODER_LAYER,
    )
    torch.manual_seed(3)
    x, positions = torch.randn(2, 2, QUERIES, WIDTH)
    references = torch.rand(2, QUERIES, 4) * 0.9 + 0.05
    memory = run["output"].encoder_last_hidden_state
    expected = theirs(
        x,
        positions,
        references[:, :, None].expand(-1, -1, len(STRIDES), -1),
        torch.tensor(run["shapes"]),
        run["shapes"],
        None,
        memory,
        ~torch.cat(run["padding"], 1),
    )
    same(ours(x, positions, references, levels_of(run, memory), run["shapes"], padding=run["padding"]), expected)


def copied_proposals(reference):
    ours = ProposalHead(
        width=WIDTH,
        queries=QUERIES,
        update=update_logit,
        content_from_memory=False,
        peaks_only=False,
        anchor=0.05,
        square=False,
        margin=0.01,
    )
    model = reference.model
    for mine, theirs in (
        (ours.output, model.enc_output),
        (ours.output_norm, model.enc_output_norm),
        (ours.score, model.decoder.class_embed[-1]),
        (ours.box, model.decoder.bbox_embed[-1]),
        (ours.position, model.pos_trans),
        (ours.position_norm, model.pos_trans_norm),
    ):
        mine.load_state_dict(theirs.state_dict())
    return ours.eval()


@torch.no_grad()
def test_two_stage_selection(reference, run):
    output = run["output"]
    got = copied_proposals(reference)(
        output.encoder_last_hidden_state, run["shapes"], extent=run["extent"], padding=torch.cat(run["padding"], 1)
    )
    theirs_valid = torch.isfinite(output.enc_outputs_coord_logits).all(-1)
    assert torch.equal(got.valid, theirs_valid)
    same(got.objectness[got.valid], output.enc_outputs_class[..., 0][got.valid])
    same(got.boxes_cxcywh[got.valid], output.enc_outputs_coord_logits.sigmoid()[got.valid])
    # transformers also ranks padded positions (at their constant score); compare where it chose none.
    chosen = output.enc_outputs_class[..., 0].topk(QUERIES, dim=1).indices
    clean = theirs_valid.gather(1, chosen).all(1)
    assert clean[0], "the unpadded picture has no invalid positions"
    same(got.references[clean], output.init_reference_points[clean])
    same(got.content[clean], run["decoder"]["inputs_embeds"][clean])
    same(got.positions[clean], run["decoder"]["object_queries_position_embeddings"][clean])


@torch.no_grad()
def test_decoder_with_refinement(reference, run):
    theirs = reference.model.decoder
    ours = Decoder(
        levels=[range(len(STRIDES))] * LAYERS,
        width=WIDTH,
        heads=HEADS,
        points=POINTS,
        feedforward=48,
        update=update_logit,
    )
    for index in range(LAYERS):
        copy_weights(ours.layers[index], theirs.layers[index], DECODER_LAYER)
        ours.box[index].load_state_dict(theirs.bbox_embed[index].state_dict())
        ours.score[index].load_state_dict(theirs.class_embed[index].state_dict())
    given, output = run["decoder"], run["output"]
    got = ours.eval()(
        given["inputs_embeds"],
        given["object_queries_position_embeddings"],
        given["reference_points"],
        levels_of(run, given["encoder_hidden_states"]),
        run["shapes"],
        extent=run["extent"],
        query_mask=None,
        padding=run["padding"],
    )
    same(got.hidden, output.last_hidden_state)
    same(got.boxes_cxcywh, output.intermediate_reference_points.transpose(0, 1))
    same(got.objectness[-1], theirs.class_embed[LAYERS - 1](output.last_hidden_state)[..., 0])
