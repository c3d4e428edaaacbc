"""Keys of published checkpoints, SigLIP's and Deformable DETR's, and what they are called in the network."""

from __future__ import annotations

from typing import Final

from reir.models.clare.keys import KeyTable

OPEN_CLIP: Final[KeyTable] = (
    (r"visual\.trunk\.(?!attn_pool)(.*)", r"visual.backbone.trunk.\1"),
    (r"text\.(.*)", r"text.tower.\1"),
)
"""SigLIP in open_clip's layout, whose vision tower is timm's."""

_VISION, _TEXT = r"vision_model\.encoder\.layers\.(\d+)\.", r"text_model\.encoder\.layers\.(\d+)\."
_BLOCK, _RESBLOCK = r"visual.backbone.trunk.blocks.\1.", r"text.tower.transformer.resblocks.\1."
TRANSFORMERS_SIGLIP: Final[KeyTable] = (
    (r"vision_model\.embeddings\.patch_embedding\.(.*)", r"visual.backbone.trunk.patch_embed.proj.\1"),
    (r"vision_model\.embeddings\.position_embedding\.weight", r"visual.backbone.trunk.pos_embed"),
    (_VISION + r"layer_norm([12])\.(.*)", _BLOCK + r"norm\2.\3"),
    (_VISION + r"self_attn\.q_proj\.(.*)", _BLOCK + r"attn.qkv.\2|0"),
    (_VISION + r"self_attn\.k_proj\.(.*)", _BLOCK + r"attn.qkv.\2|1"),
    (_VISION + r"self_attn\.v_proj\.(.*)", _BLOCK + r"attn.qkv.\2|2"),
    (_VISION + r"self_attn\.out_proj\.(.*)", _BLOCK + r"attn.proj.\2"),
    (_VISION + r"mlp\.(.*)", _BLOCK + r"mlp.\2"),
    (r"vision_model\.post_layernorm\.(.*)", r"visual.backbone.trunk.norm.\1"),
    (r"text_model\.embeddings\.token_embedding\.weight", r"text.tower.token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", r"text.tower.positional_embedding"),
    (_TEXT + r"layer_norm([12])\.(.*)", _RESBLOCK + r"ln_\2.\3"),
    (_TEXT + r"self_attn\.q_proj\.(.*)", _RESBLOCK + r"attn.in_proj_\2|0"),
    (_TEXT + r"self_attn\.k_proj\.(.*)", _RESBLOCK + r"attn.in_proj_\2|1"),
    (_TEXT + r"self_attn\.v_proj\.(.*)", _RESBLOCK + r"attn.in_proj_\2|2"),
    (_TEXT + r"self_attn\.out_proj\.(.*)", _RESBLOCK + r"attn.out_proj.\2"),
    (_TEXT + r"mlp\.fc1\.(.*)", _RESBLOCK + r"mlp.c_fc.\2"),
    (_TEXT + r"mlp\.fc2\.(.*)", _RESBLOCK + r"mlp.c_proj.\2"),
    (r"text_model\.final_layer_norm\.(.*)", r"text.tower.ln_final.\1"),
    (r"text_model\.head\.(.*)", r"text.tower.text_projection.\1"),
)
"""SigLIP in transformers' layout (``SiglipModel``)."""

_ENCODER, _DECODER = r"model\.encoder\.layers\.(\d+)\.", r"model\.decoder\.layers\.(\d+)\."
_OUR_ENCODER, _OUR_DECODER = r"visual.encoder.layers.\1.", r"visual.decoder.layers.\1."


def deformable_detr_table(layers: int) -> KeyTable:
    """Deformable DETR with ``layers`` decoder layers in transformers' layout, as files and as its version 5 name it.

    The head after the last layer's is that of the first stage. It scores a place by its first class alone, and its
    authors train it with every object as class 0: that row is an objectness.
    """
    stage = rf"(?:model\.decoder\.)?class_embed\.{layers}\."
    boxes = rf"(?:model\.decoder\.)?bbox_embed\.{layers}\."
    return (
        (r"model\.input_proj\.(\d+)\.0\.(.*)", r"visual.projections.\1.linear.\2"),
        (r"model\.level_embed", r"visual.encoder.level_code"),
        (_ENCODER + r"self_attn_layer_norm\.(.*)", _OUR_ENCODER + r"attention_norm.\2"),
        (_ENCODER + r"self_attn\.(.*)", _OUR_ENCODER + r"attention.\2"),
        (_ENCODER + r"(?:mlp\.)?(fc[12]\..*)", _OUR_ENCODER + r"feedforward.\2"),
        (_ENCODER + r"final_layer_norm\.(.*)", _OUR_ENCODER + r"feedforward_norm.\2"),
        (_DECODER + r"self_attn_layer_norm\.(.*)", _OUR_DECODER + r"self_attention_norm.\2"),
        (_DECODER + r"self_attn\.(?:o|out)_proj\.(.*)", _OUR_DECODER + r"self_attention.o_proj.\2"),
        (_DECODER + r"self_attn\.(.*)", _OUR_DECODER + r"self_attention.\2"),
        (_DECODER + r"encoder_attn_layer_norm\.(.*)", _OUR_DECODER + r"cross_attention_norm.\2"),
        (_DECODER + r"encoder_attn\.(.*)", _OUR_DECODER + r"cross_attention.\2"),
        (_DECODER + r"(?:mlp\.)?(fc[12]\..*)", _OUR_DECODER + r"feedforward.\2"),
        (_DECODER + r"final_layer_norm\.(.*)", _OUR_DECODER + r"feedforward_norm.\2"),
        (r"model\.enc_output\.(.*)", r"visual.proposals.output.\1"),
        (r"model\.enc_output_norm\.(.*)", r"visual.proposals.output_norm.\1"),
        (r"model\.pos_trans\.(.*)", r"visual.proposals.position.\1"),
        (r"model\.pos_trans_norm\.(.*)", r"visual.proposals.position_norm.\1"),
        (stage + r"(.*)", r"visual.proposals.score.\1@0"),
        (boxes + r"(.*)", r"visual.proposals.box.\1"),
        (r"(?:model\.decoder\.)?class_embed\.(\d+)\.(.*)", r"visual.decoder.score.\1.\2"),
        (r"(?:model\.decoder\.)?bbox_embed\.(\d+)\.(.*)", r"visual.decoder.box.\1.\2"),
    )
