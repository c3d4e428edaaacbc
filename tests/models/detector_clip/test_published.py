"""Public detectors are torchvision's own."""

from pathlib import Path

import pytest
import torchvision.models
from torch.hub import get_dir

from reir.models.detector_clip.published import PUBLISHED, published_url, published_weights
from reir.models.hub import compute_sha256


@pytest.mark.parametrize("arch", PUBLISHED)
def test_addresses_are_torchvisions(arch):
    assert published_url(arch) == torchvision.models.get_model_weights(arch).DEFAULT.url


def test_a_file_that_torch_fetched_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = tmp_path / "content"
    content.write_bytes(b"weights")
    name = f"detector-{compute_sha256(content)[:8]}.pth"
    monkeypatch.setattr("reir.models.detector_clip.published._FILES", {"fasterrcnn_resnet50_fpn": name})
    cached = Path(get_dir()) / "checkpoints" / name
    cached.parent.mkdir(parents=True)
    content.replace(cached)
    assert published_weights("fasterrcnn_resnet50_fpn") == cached
