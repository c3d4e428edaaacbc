"""``picture-clip``: whole pictures embedded by an image-text tower, for text-to-image retrieval."""

from reir.models.picture_clip.model import PictureClip, load

__all__ = ["PictureClip", "load"]
