"""Keys of checkpoints of the authors' released code, and what they are called in the network.

The names are those of the code in the public repository ``haoxiangzhao12138/REIR`` (``projects/CLARE/clare``:
``clare_model``, ``models/ddetrs_dn``, ``models/deformable_detr/deformable_transformer_dino``, ``backbone/siglip``; a
detectron2 project after UNINEXT), read in November 2026 in a stored copy. No checkpoint was published there, so the
table was never tried on one.

A checkpoint of that code is a start here, not the same network, for the released network is not the paper's. It has no
MORE and no projection of objects: a linear map takes the text to the decoder's 256 numbers, compared without
normalisation. Its decoder follows DINO: learned contents (``tgt_embed``), and position codes made anew from the boxes
in every layer (``ref_point_head``), where Deformable DETR and this network make both once from the proposals. Its
coarsest map is a strided convolution, its projections end in group norms, it scores no objectness after the first
stage, and it has a mask head. All that is left over, and what stands in its place here is new.
"""

from __future__ import annotations

from typing import Final

from reir.models.clare.keys import KeyTable

_DETR, _BACKBONE = r"detr\.detr\.", r"detr\.detr\.backbone\.0\.backbone\."
_TRANSFORMER = _DETR + r"transformer\."
_ENCODER, _DECODER = _TRANSFORMER + r"encoder\.layers\.(\d+)\.", _TRANSFORMER + r"decoder\.layers\.(\d+)\."
_OUR_ENCODER, _OUR_DECODER = r"visual.encoder.layers.\1.", r"visual.decoder.layers.\1."
FIRST_KEY: Final = "detr.detr.transformer.level_embed"
"""A key that only these checkpoints have."""


def released_table(layers: int) -> KeyTable:
    """The released code's keys, for a network with ``layers`` decoder layers.

    As in Deformable DETR the heads after the last layer's are those of the first stage, whose score is an objectness.
    """
    return (
        (_BACKBONE + r"vision_model\.(?!attn_pool)(.*)", r"visual.backbone.trunk.\1"),
        (_BACKBONE + r"fpn1\.0\.(.*)", r"visual.backbone.finer.\1"),
        (r"text_encoder\.(?:body\.)?model\.(.*)", r"text.tower.\1"),
        (_DETR + r"input_proj\.(\d+)\.0\.(.*)", r"visual.projections.\1.linear.\2"),
        (_TRANSFORMER + r"level_embed", r"visual.encoder.level_code"),
        (_ENCODER + r"self_attn\.(.*)", _OUR_ENCODER + r"attention.\2"),
        (_ENCODER + r"norm1\.(.*)", _OUR_ENCODER + r"attention_norm.\2"),
        (_ENCODER + r"linear([12])\.(.*)", _OUR_ENCODER + r"feedforward.fc\2.\3"),
        (_ENCODER + r"norm2\.(.*)", _OUR_ENCODER + r"feedforward_norm.\2"),
        (_DECODER + r"self_attn\.in_proj_(weight|bias)", _OUR_DECODER + r"self_attention.{q,k,v}_proj.\2"),
        (_DECODER + r"self_attn\.out_proj\.(.*)", _OUR_DECODER + r"self_attention.o_proj.\2"),
        (_DECODER + r"norm2\.(.*)", _OUR_DECODER + r"self_attention_norm.\2"),
        (_DECODER + r"cross_attn\.(.*)", _OUR_DECODER + r"cross_attention.\2"),
        (_DECODER + r"norm1\.(.*)", _OUR_DECODER + r"cross_attention_norm.\2"),
        (_DECODER + r"linear([12])\.(.*)", _OUR_DECODER + r"feedforward.fc\2.\3"),
        (_DECODER + r"norm3\.(.*)", _OUR_DECODER + r"feedforward_norm.\2"),
        (_TRANSFORMER + r"enc_output\.(.*)", r"visual.proposals.output.\1"),
        (_TRANSFORMER + r"enc_output_norm\.(.*)", r"visual.proposals.output_norm.\1"),
        (_DETR + rf"(?:transformer\.decoder\.)?class_embed\.{layers}\.body\.(.*)", r"visual.proposals.score.\1"),
        (_DETR + rf"(?:transformer\.decoder\.)?bbox_embed\.{layers}\.(.*)", r"visual.proposals.box.\1"),
        (_DETR + r"(?:transformer\.decoder\.)?bbox_embed\.(\d+)\.(.*)", r"visual.decoder.box.\1.\2"),
    )
