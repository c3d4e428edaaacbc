"""What is read from open_clip's files is what the package itself says."""

from __future__ import annotations

import json

import pytest

from reir.models.towers import openclip_registry

pytestmark = pytest.mark.slow  # for the import of open_clip


def test_the_table_of_published_weights_is_that_of_open_clip() -> None:
    import open_clip

    pairs = open_clip.list_pretrained()
    assert len(pairs) > 100
    for architecture, tag in pairs:
        theirs = json.loads(json.dumps(open_clip.get_pretrained_cfg(architecture, tag)))
        assert openclip_registry.pretrained_config(architecture, tag) == theirs
    assert sum(map(len, openclip_registry._pretrained().values())) == len(pairs)
