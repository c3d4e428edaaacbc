"""A model fetched from a hub, then used with no word to it: what a first user of ``owlv2-base`` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reir.models import auto_name, load_model
from reir.models.hub import HubSource, plan_download
from reir.models.hub import sources as known_sources
from reir.types import Picture
from tests.models.hub.server import TinyHub
from tests.models.owl.tiny_owl import make_owl_folder

pytestmark = pytest.mark.slow

REPO = "google/owlv2-base-patch16-ensemble"


def test_owlv2_from_the_hub_needs_no_network_afterwards(
    hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_owl_folder(tmp_path / "made", "owlv2")
    hub.repositories[REPO] = {path.name: path.read_bytes() for path in made.iterdir()}
    monkeypatch.setattr(known_sources, "HUB_SOURCES", {REPO: HubSource(REPO, model="owlv2-base")})
    assert auto_name() == "clare-tiny"
    plan_download(known_sources.hub_source(REPO)).run()
    asked = len(hub.requests)
    assert auto_name() == "owlv2-base"
    picture = Picture(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8), 80, 60)
    found: list[Any] = []
    for name in ("owlv2-base", f"owlv2-base:{made}"):
        model = load_model(name, device="cpu")
        assert model.identity.name == name
        found.append((model.identity.fingerprint, model.extract([picture])[0], model.encode(["a red box"])))
    assert len(hub.requests) == asked
    (fingerprint, instances, query), (other, instances_of_folder, query_of_folder) = found
    assert fingerprint == other
    assert len(instances) > 0
    np.testing.assert_array_equal(instances.vectors, instances_of_folder.vectors)
    np.testing.assert_array_equal(query, query_of_folder)
