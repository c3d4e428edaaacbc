import pytest

from reir.data.scenes.glyphs import EmojiFontError, find_font


@pytest.fixture(autouse=True, scope="session")
def emoji_font():
    """Every test here draws glyphs; without the font (Debian package fonts-noto-color-emoji) they are skipped."""
    try:
        return find_font()
    except EmojiFontError as error:
        pytest.skip(str(error))
