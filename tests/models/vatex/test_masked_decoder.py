"""The masked-attention decoder against transformers' Mask2Former with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reir.models.vatex.masked_decoder import MaskedAttentionDecoder
from reir.models.vatex.positions import sine_positions

WIDTH, QUERIES, HEADS, LAYERS, FEEDFORWARD = 32, 5, 4, 9, 48
SIZES = ((3, 4), (6, 8), (12, 16), (24, 32))


@pytest.fixture(scope="module")
def mask2former():
    from transformers import Mask2FormerConfig
    from transformers.models.mask2former import modeling_mask2former as published

    config = Mask2FormerConfig(
        hidden_dim=WIDTH,
        mask_feature_size=WIDTH,
        num_attention_heads=HEADS,
        dim_feedforward=FEEDFORWARD,
        decoder_layers=LAYERS + 1,
        num_queries=QUERIES,
        dropout=0.0,
        pre_norm=False,
    )
    torch.manual_seed(0)
    decoder = published.Mask2FormerMaskedAttentionDecoder(config)
    for parameter in decoder.parameters():  # larger than they start, so that masks are neither empty nor full
        nn.init.normal_(parameter, std=0.2)
    return decoder.eval(), published


def copied(theirs) -> MaskedAttentionDecoder:
    ours = MaskedAttentionDecoder(
        width=WIDTH, queries=QUERIES, heads=HEADS, layers=LAYERS, feedforward=FEEDFORWARD
    ).eval()
    for mine, published in zip(ours.layers, theirs.layers, strict=True):
        mine.cross.load_state_dict(published.cross_attn.state_dict())
        among = published.self_attn
        parts = (among.q_proj, among.k_proj, among.v_proj)
        mine.among.load_state_dict(
            {
                "in_proj_weight": torch.cat([part.weight for part in parts]),
                "in_proj_bias": torch.cat([part.bias for part in parts]),
                "out_proj.weight": among.out_proj.weight,
                "out_proj.bias": among.out_proj.bias,
            }
        )
        for own, name in (
            (mine.cross_norm, "cross_attn_layer_norm"),
            (mine.among_norm, "self_attn_layer_norm"),
            (mine.norm, "final_layer_norm"),
            (mine.widen, "fc1"),
            (mine.narrow, "fc2"),
        ):
            own.load_state_dict(getattr(published, name).state_dict())
    ours.norm.load_state_dict(theirs.layernorm.state_dict())
    embedder = theirs.mask_predictor.mask_embedder
    for place, number in enumerate((0, 2, 4)):
        published = dict(embedder.named_children())[str(place)].state_dict()
        ours.mask[number].load_state_dict({"weight": published["0.weight"], "bias": published["0.bias"]})
    return ours


@torch.no_grad()
def test_equals_mask2former_with_copied_weights(mask2former):
    theirs, published = mask2former
    ours = copied(theirs)
    torch.manual_seed(1)
    queries = torch.randn(2, QUERIES, WIDTH)
    maps = [torch.randn(2, WIDTH, *size) for size in SIZES[:3]]
    finest = torch.randn(2, WIDTH, *SIZES[3])
    class_logits, mask_logits = ours(queries, maps, finest, None)

    sine = published.Mask2FormerSinePositionEmbedding(num_position_features=WIDTH // 2, normalize=True)
    places = [sine(level.shape, level.device, level.dtype).flatten(2).permute(2, 0, 1) for level in maps]
    values = [
        (level.flatten(2) + scale[None, :, None]).permute(2, 0, 1)
        for level, scale in zip(maps, ours.scales, strict=True)
    ]
    output = theirs(
        inputs_embeds=queries.transpose(0, 1),
        multi_stage_positional_embeddings=places,
        pixel_embeddings=finest,
        encoder_hidden_states=values,
        query_position_embeddings=ours.embedding[:, None].expand(-1, 2, -1),
        feature_size_list=[level.shape[-2:] for level in maps],
        return_dict=True,
    )
    assert len(mask_logits) == len(output.masks_queries_logits) == LAYERS + 1
    for own, wanted in zip(mask_logits, output.masks_queries_logits, strict=True):
        torch.testing.assert_close(own, wanted, atol=2e-4, rtol=1e-4)
    for own, state in zip(class_logits, output.intermediate_hidden_states, strict=True):
        torch.testing.assert_close(own, ours.is_object(state.transpose(0, 1))[..., 0], atol=2e-4, rtol=1e-4)
    shares = [(masks > 0).float().mean().item() for masks in mask_logits]
    assert 0.05 < min(shares) < max(shares) < 0.95, "masks hide nothing or all: the test would show little"


def test_places_are_mask2former_s(mask2former):
    _, published = mask2former
    sine = published.Mask2FormerSinePositionEmbedding(num_position_features=WIDTH // 2, normalize=True)
    padding = torch.zeros(1, 5, 7, dtype=torch.bool)
    wanted = sine(torch.Size((1, 3, 5, 7)), torch.device("cpu"), torch.float32)
    torch.testing.assert_close(sine_positions(padding, WIDTH), wanted, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_queries_look_inside_their_masks_only():
    decoder = MaskedAttentionDecoder(width=8, queries=1, heads=2, layers=1, feedforward=8).eval()
    level = torch.zeros(1, 8, 4, 4)
    masks = torch.full((1, 1, 16, 16), -5.0)
    masks[..., :8, :8] = 5.0
    hidden = decoder._hidden(masks, level, None)
    assert hidden.shape == (2, 1, 16)
    seen = ~hidden[0, 0].reshape(4, 4)
    assert seen[:2, :2].all()
    assert seen.sum() == 4
    empty = decoder._hidden(torch.full((1, 1, 16, 16), -5.0), level, None)
    assert not empty.any()
    right = torch.zeros(1, 4, 4, dtype=torch.bool)
    right[..., 1:] = True
    padded = ~decoder._hidden(masks, level, right)[0, 0].reshape(4, 4)
    assert padded[:2, 0].all()
    assert padded.sum() == 2
    nothing = ~decoder._hidden(torch.full((1, 1, 16, 16), -5.0), level, right)[0, 0].reshape(4, 4)
    assert nothing[:, 0].all()
    assert nothing.sum() == 4


@torch.no_grad()
def test_padding_is_never_looked_at():
    decoder = MaskedAttentionDecoder(width=8, queries=2, heads=2, layers=3, feedforward=8).eval()
    queries, finest = torch.randn(1, 2, 8), torch.randn(1, 8, 16, 16)
    maps = [torch.randn(1, 8, size, size) for size in (4, 8, 16)]
    padding = torch.zeros(1, 64, 64, dtype=torch.bool)
    padding[:, 32:] = True
    changed = [level.clone() for level in maps]
    for level in changed:
        level[:, :, level.shape[2] // 2 :] += 100
    for first, second in zip(
        decoder(queries, maps, finest, padding), decoder(queries, changed, finest, padding), strict=True
    ):
        torch.testing.assert_close(first, second)
