"""A picture gives the same objects alone and in a padded batch: padding must not leak anywhere."""

from dataclasses import replace

import pytest
import torch

from reir.models.clare.builder import build_clare
from reir.models.clare.config import TINY


def scrambled(**changes):
    """A tiny network whose every weight matters: zero-initialised heads and offsets get random values too."""
    torch.manual_seed(0)
    network = build_clare(replace(TINY, **changes), vocabulary_size=30)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.add_(torch.randn_like(parameter) * 0.02)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def padded(pictures, height, width):
    canvas = torch.randn(len(pictures), 3, height, width)  # what lies under the padding must not matter
    padding = torch.ones(len(pictures), height, width, dtype=torch.bool)
    for b, picture in enumerate(pictures):
        rows, columns = picture.shape[1:]
        canvas[b, :, :rows, :columns] = picture
        padding[b, :rows, :columns] = False
    return canvas, padding


VARIANTS = {
    "tiny": {},
    "all positions": {"peaks_only": False},
    "as the paper": {
        "box_update": "logit",
        "query_content": "proposal",
        "peaks_only": False,
        "anchor": 0.05,
        "encoder_levels": (0, 1, 2),
        "proposal_levels": (0, 1, 2),
        "decoder_levels": ((0, 1, 2), (0, 1, 2)),
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_alone_equals_in_a_padded_batch(variant):
    network = scrambled(**VARIANTS[variant])
    generator = torch.Generator().manual_seed(1)
    sizes = [(96, 160), (144, 80), (90, 123), (160, 160)]  # one is no multiple of the coarsest stride
    pictures = [torch.randn(3, *size, generator=generator) for size in sizes]
    together = network.encode_images(*padded(pictures, 176, 192))
    for b, picture in enumerate(pictures):
        alone = network.encode_images(picture[None])
        rows, columns = picture.shape[1:]
        scale = torch.tensor([columns / 192, rows / 176] * 2)
        torch.testing.assert_close(together.boxes_cxcywh[:, b], alone.boxes_cxcywh[:, 0] * scale, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.objectness[:, b], alone.objectness[:, 0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.features[b], alone.features[0], atol=1e-4, rtol=1e-4)
        valid, own = together.proposal_valid[b], alone.proposal_valid[0]
        torch.testing.assert_close(
            together.proposal_objectness[b][valid], alone.proposal_objectness[0][own], atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            together.proposal_boxes_cxcywh[b][valid],
            alone.proposal_boxes_cxcywh[0][own] * scale,
            atol=1e-4,
            rtol=1e-4,
        )
        torch.testing.assert_close(together.proposal_centres[valid], alone.proposal_centres[own] * scale[:2])


@torch.no_grad()
def test_a_padded_copy_is_no_wider_than_its_picture():
    """Fewer positions than queries: the places left over are no objects, and nobody attends to them."""
    network = scrambled()
    picture = torch.randn(3, 16, 32, generator=torch.Generator().manual_seed(2))  # 8 positions, 20 queries
    alone = network.encode_images(picture[None])
    assert alone.objectness.shape[-1] == 8
    together = network.encode_images(*padded([picture, torch.randn(3, 64, 64)], 64, 64))
    kept = together.objectness[-1, 0] > -1e3
    assert kept.sum() == 8
    torch.testing.assert_close(together.features[0][kept], alone.features[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.objectness[-1, 0][kept], alone.objectness[-1, 0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_expressions_of_different_length_do_not_disturb_each_other():
    network = scrambled()
    short, long = torch.randint(0, 30, (1, 4)), torch.randint(0, 30, (1, 15))
    ids = torch.zeros(2, 15, dtype=torch.long)
    mask = torch.zeros(2, 15, dtype=torch.bool)
    ids[0, :4], mask[0, :4] = short[0], True
    ids[1], mask[1] = long[0], True
    together = network.encode_text(ids, mask)
    for row, tokens in enumerate((short, long)):
        alone = network.encode_text(tokens, torch.ones_like(tokens, dtype=torch.bool))
        torch.testing.assert_close(together.embedding[row], alone.embedding[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.gates[row], alone.gates[0], atol=1e-5, rtol=1e-5)
