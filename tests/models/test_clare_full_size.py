"""The full-size networks build without downloads, and run forward and backward."""

import math
import resource

import pytest
import torch

from reir.models.clare import VIT_B, VIT_L, build_clare
from reir.models.clare.denoising import denoising_queries
from reir.models.clare.pixels import normalise_pixels
from reir.models.clare.siglip import PAD_TOKEN
from reir.training.batch import Batch
from reir.training.config import CliaConfig, LossConfig
from reir.training.objective import total_loss


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("config", "trunk", "layers"), [(VIT_B, 86e6, 12), (VIT_L, 304e6, 24)], ids=["B", "L"])
def test_builds_as_the_paper_says(config, trunk, layers):
    with torch.device("meta"):
        network = build_clare(config)
    visual = network.visual
    assert visual.proposals.queries == 900
    assert len(visual.encoder.layers) == len(visual.decoder.layers) == 6
    assert (len(network.more.shared), len(network.more.routed), network.more.active) == (1, 4, 2)
    assert len(visual.backbone.trunk.blocks) == layers
    assert count(visual.backbone.trunk) == pytest.approx(trunk, rel=0.02)
    assert config.embedding == visual.instance.fc2.out_features == network.more.shared[0].fc2.out_features


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_clare(VIT_B)


@pytest.mark.slow
def test_forward_and_backward_once(network):
    images = torch.randn(2, 3, 256, 256)
    padding = torch.zeros(2, 256, 256, dtype=torch.bool)
    padding[1, :, 192:] = True
    tokens = torch.randint(2, 1000, (3, 12))
    visual, text = network.train()(images, tokens, torch.ones_like(tokens, dtype=torch.bool), padding)
    assert visual.boxes_cxcywh.shape == (6, 2, 900, 4)
    assert visual.features.shape == (2, 900, 768)
    assert text.embedding.shape == (3, 768)
    logits = network.similarity(text.embedding, visual.features)
    assert logits.shape == (3, 2, 900)
    loss = logits.sigmoid().mean() + visual.boxes_cxcywh.mean() + visual.objectness.sigmoid().mean()
    loss = loss + visual.proposal_boxes_cxcywh.mean() + visual.proposal_objectness.sigmoid().mean()
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    network.zero_grad(set_to_none=True)


@pytest.mark.slow
@torch.no_grad()
def test_towers_are_siglip(network):
    """At the trained size, unpadded, the middle map is the trunk's own output; text goes in filled up to 64."""
    network.eval()
    images = torch.randn(1, 3, 384, 384)
    trunk = network.visual.backbone.trunk
    tokens = trunk.forward_features(images)
    middle = network.visual.backbone(images, None)[1]
    torch.testing.assert_close(middle.flatten(2).transpose(1, 2), tokens, atol=1e-4, rtol=1e-4)
    ids = torch.randint(2, 1000, (2, 9))
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[1, 5:] = False
    filled = torch.full((2, 64), PAD_TOKEN)
    filled[0, :9], filled[1, :5] = ids[0], ids[1, :5]
    torch.testing.assert_close(network.text(ids, mask), network.text.tower(filled), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="64 tokens, got 65"):
        network.text(torch.ones(1, 65, dtype=torch.long), torch.ones(1, 65, dtype=torch.bool))


@pytest.mark.slow
@torch.no_grad()
def test_padding_leaks_nowhere(network):
    """Backbone maps of a picture alone (on the next multiple of 64) and on a larger canvas."""
    backbone = network.eval().visual.backbone
    picture = torch.randn(3, 100, 170)
    maps = []
    for height, width in ((128, 192), (192, 256)):
        canvas, padding = torch.zeros(1, 3, height, width), torch.ones(1, height, width, dtype=torch.bool)
        canvas[0, :, :100, :170] = picture
        padding[0, :100, :170] = False
        maps.append(backbone(canvas, padding))
    for stride, alone, together in zip((8, 16, 32, 64), *maps, strict=True):
        rows, columns = -(-100 // stride), -(-170 // stride)
        torch.testing.assert_close(alone[..., :rows, :columns], together[..., :rows, :columns], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_pretrained_towers_come_from_a_file(network, tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(1)
    import open_clip

    source = open_clip.create_model(VIT_B.vision, pretrained=None)
    save_file(
        {name: tensor.contiguous() for name, tensor in source.state_dict().items()}, tmp_path / "siglip.safetensors"
    )
    built = build_clare(VIT_B, pretrained=str(tmp_path / "siglip.safetensors"))
    ours, theirs = built.visual.backbone.trunk.state_dict(), source.visual.trunk.state_dict()
    assert len(ours) > 100
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name])
    for name, tensor in built.text.tower.state_dict().items():
        torch.testing.assert_close(tensor, source.text.state_dict()[name])


def random_batch(pictures, height, width, *, objects=4):
    """Noise with objects anywhere, each with an expression; the second picture is narrower and has one object fewer."""
    generator = torch.Generator().manual_seed(3)
    padding = torch.zeros(pictures, height, width, dtype=torch.bool)
    padding[1:, :, width - 64 :] = True
    picture = torch.arange(pictures).repeat_interleave(objects)[: pictures * objects - (pictures > 1)]
    count = len(picture)
    sides = torch.rand(count, 2, generator=generator) * 0.3 + 0.1
    centres = sides / 2 + torch.rand(count, 2, generator=generator) * (0.7 - sides)
    return Batch(
        pixels=torch.randint(0, 256, (pictures, height, width, 3), generator=generator, dtype=torch.uint8),
        boxes_cxcywh=torch.cat([centres, sides], dim=1),
        object_picture=picture,
        token_ids=torch.randint(2, 30_000, (count, 12), generator=generator),
        token_mask=torch.arange(12)[None] < torch.randint(3, 13, (count, 1), generator=generator),
        text_picture=picture,
        labels=(2 * torch.eye(count) - 1).to(torch.int8),
        padding=padding if pictures > 1 else None,
    )


def descend(network, batch, *, steps, device="cpu", bf16=False):
    """Losses of steps of a fixed length down the gradient of the whole loss, denoising and checkpointing included.

    Plain descent keeps no state, so that ViT-L fits a small machine.
    """
    network.train()
    network.visual.checkpointing = True
    optimiser = torch.optim.SGD(network.parameters(), lr=0.03)
    losses = []
    for step in range(steps):
        noised = denoising_queries(
            batch.boxes_cxcywh,
            batch.object_picture,
            pictures=len(batch.pixels),
            queries=20,
            generator=torch.Generator().manual_seed(step),
        )
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            visual, text = network(
                normalise_pixels(batch.pixels.to(device)),
                batch.token_ids.to(device),
                batch.token_mask.to(device),
                None if batch.padding is None else batch.padding.to(device),
                noised.to(device),
            )
        loss, _ = total_loss(network, torch.nn.ModuleDict(), visual, text, batch, LossConfig(), CliaConfig())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("config", "size", "gib"), [(VIT_B, (224, 320), 6), (VIT_L, (224, 256), 12)], ids=["B", "L"])
def test_learns_at_full_size_with_few_pixels(config, size, gib):
    """Every part at its full size, 900 queries: the loss falls, every parameter learns, memory stays in bounds."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.manual_seed(0)
    network = build_clare(config)
    losses = descend(network, random_batch(2 if config is VIT_B else 1, *size), steps=3)
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    assert network.visual.proposals.queries == 900
    unused = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert unused == set()
    still = {name for name, parameter in network.named_parameters() if not parameter.grad.any()}
    # A routed expert that no expression of so small a batch was sent to.
    assert {name for name in still if not name.startswith("more.routed.")} == set()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20 < gib


@pytest.mark.gpu
@pytest.mark.parametrize("config", [VIT_B, VIT_L], ids=["B", "L"])
def test_learns_at_full_size_on_a_gpu(config):
    """800 x 1333 pixels in bfloat16, two pictures of 16 objects: well inside the 80 GB of the paper's GPUs."""
    torch.manual_seed(0)
    with torch.device("cuda"):
        network = build_clare(config)
    torch.cuda.reset_peak_memory_stats()
    losses = descend(network, random_batch(2, 832, 1344, objects=16), steps=4, device="cuda", bf16=True)
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert torch.cuda.max_memory_allocated() < 40 * 2**30
