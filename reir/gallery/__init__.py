"""The door for other software: a gallery of pictures that is searched by description.

>>> from reir import Gallery
>>> with Gallery.open("photos/.reir") as gallery:                      # doctest: +SKIP
...     result = gallery.search("brown dog on a cushion near a fireplace", top=5)
...     more = gallery.like(result.hits[0].instance_id)
...     gallery.add(["new/IMG_7.jpg"], external_ids={"new/IMG_7.jpg": "asset-7"})
"""

from reir.gallery.gallery import Gallery
from reir.gallery.grounding import ground
from reir.gallery.info import GalleryInfo

__all__ = ["Gallery", "GalleryInfo", "ground"]
