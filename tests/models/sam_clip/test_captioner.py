"""Captions beside the library's own greedy generation, for each kind of captioner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reir.errors import UsageError
from reir.models.sam_clip.captioner import MAX_NEW_TOKENS, Captioner
from reir.models.sam_clip.parts import CAPTIONER_TYPES, Network
from tests.models.sam_clip.conftest import demo_files, pixels_of
from tests.models.sam_clip.tiny_sam import VOCABULARY, save_tiny_captioner

KINDS = {
    "blip": "BlipForConditionalGeneration",
    "blip-2": "Blip2ForConditionalGeneration",
    "git": "GitForCausalLM",
}
PICTURES = [pixels_of(file) for file in demo_files(9)]


@pytest.fixture(scope="module", params=sorted(KINDS))
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = save_tiny_captioner(tmp_path_factory.mktemp(request.param), request.param)
    return Network.find(str(folder), CAPTIONER_TYPES, option="captioner")


def test_captions_are_the_librarys(network: Network) -> None:
    import torch
    import transformers

    model = getattr(transformers, KINDS[network.kind]).from_pretrained(network.folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(network.folder)
    captions = Captioner(network, device="cpu").caption(PICTURES)
    for pixels, caption in zip(PICTURES, captions, strict=True):
        inputs = processor(images=np.array(pixels), return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(
                pixel_values=inputs["pixel_values"], max_new_tokens=MAX_NEW_TOKENS, do_sample=False, num_beams=1
            )
        assert caption == processor.batch_decode(ids, skip_special_tokens=True)[0].strip()
    assert len(set(captions)) > 3, "captions depend on the picture"
    assert set(" ".join(captions).split()) <= set(VOCABULARY.split())


def test_one_picture_at_a_time_gets_the_same_words(network: Network) -> None:
    captioner = Captioner(network, device="cpu")
    together = captioner.caption(PICTURES)  # more than a batch
    assert [captioner.caption([pixels])[0] for pixels in PICTURES] == together
    assert captioner.caption(PICTURES) == together
    assert captioner.caption([]) == []


def test_read_only_pixels_and_slices_are_taken(network: Network) -> None:
    pixels = PICTURES[0][10:70, 20:60]
    assert not pixels.flags.writeable
    assert Captioner(network, device="cpu").caption([pixels, pixels])[0]


def test_pictures_three_pixels_high_are_pictures(network: Network) -> None:
    """Their height is not taken for their channels."""
    captioner = Captioner(network, device="cpu")
    low = PICTURES[0][:3, :40]
    assert captioner.caption([low]) == captioner.caption([np.repeat(low, 8, axis=0)[4::8]])
    assert captioner.caption([low]) != captioner.caption([low[:, :, ::-1]])


def test_no_captioner(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="'bert'; there are: blip, blip-2, git"):
        Network.find(str(tmp_path), CAPTIONER_TYPES, option="captioner")
