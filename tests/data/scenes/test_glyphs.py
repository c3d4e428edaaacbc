import numpy as np
import pytest
from PIL import Image

from reir.data.scenes import glyphs
from reir.data.scenes.glyphs import EmojiFontError, find_font, glyph
from reir.data.scenes.nouns import load_nouns
from reir.data.scenes.recolour import LUMA, OUTLINE_WIDTH, nearest_colour, recoloured, rim
from reir.data.scenes.scene import COLOURS, GREY


def test_the_font_has_a_tight_colour_glyph_of_every_noun():
    for noun in load_nouns():
        pixels = glyph(noun.name)
        assert 40 <= max(pixels.shape[:2]) <= 136, noun.name
        alpha = pixels[..., 3] >= glyphs.TIGHT_ALPHA
        assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])), noun.name


def test_no_two_glyphs_look_alike_even_in_one_colour():
    # Silhouette and shading of the glyph in one colour, 24 x 24, as the search model sees it at a small size.
    looks = []
    for noun in load_nouns():
        picture = Image.fromarray(recoloured(noun.name, "blue"))
        picture.thumbnail((24, 24), Image.Resampling.BOX)
        square = Image.new("RGBA", (24, 24))
        square.paste(picture, ((24 - picture.width) // 2, (24 - picture.height) // 2))
        pixels = np.asarray(square, dtype=np.float32) / 255
        alpha = pixels[..., 3]
        shade = (pixels[..., :3] @ LUMA - 0.35) * alpha * 3
        looks.append(np.concatenate([(alpha - alpha.mean()).ravel(), (shade - shade.mean()).ravel()]))
    looks = np.array(looks)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    likeness = looks @ looks.T
    np.fill_diagonal(likeness, 0)
    first, second = np.unravel_index(likeness.argmax(), likeness.shape)
    names = [noun.name for noun in load_nouns()]
    assert likeness.max() < 0.9, (names[first], names[second])


def test_every_recoloured_glyph_is_nearest_to_its_own_colour():
    for noun in load_nouns():
        for colour in COLOURS:
            pixels = recoloured(noun.name, colour)
            mean = pixels[pixels[..., 3] >= 128][:, :3].mean(axis=0)
            assert nearest_colour(mean) == colour, (noun.name, colour, mean)


def test_muted_and_outlined_glyphs_keep_their_colour_and_their_silhouette():
    wrong = []
    for noun in load_nouns():
        for colour in COLOURS:
            plain = recoloured(noun.name, colour)
            for finish in ("muted", "outlined"):
                pixels = recoloured(noun.name, colour, finish)
                assert np.array_equal(pixels[..., 3], plain[..., 3])
                assert not np.array_equal(pixels, plain)
                inside = pixels[..., 3] >= 128
                if finish == "outlined":
                    inside &= rim(noun.name, OUTLINE_WIDTH) < 0.1
                if nearest_colour(pixels[inside][:, :3].mean(axis=0)) != colour:
                    wrong.append((finish, noun.name, colour))
    # A red football leans to brown as it is, and a wine glass is half outline.
    assert len(wrong) <= 0.01 * len(COLOURS) * len(load_nouns()), wrong


def test_a_grey_glyph_has_no_hue():
    pixels = recoloured("dog", GREY)
    red, green, blue = pixels[pixels[..., 3] >= 128][:, :3].astype(float).mean(axis=0)
    assert max(red, green, blue) - min(red, green, blue) < 8
    assert 80 < green < 180


def test_recolouring_keeps_the_shading_visible():
    flat = []
    for noun in load_nouns():
        for colour in ("black", "white", "yellow", "blue"):
            pixels = recoloured(noun.name, colour)
            luma = pixels[pixels[..., 3] >= 128][:, :3] @ LUMA
            if np.percentile(luma, 98) - np.percentile(luma, 2) < 12:
                flat.append((noun.name, colour))
    assert not flat


def test_a_missing_font_says_which_package_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv(glyphs.FONT_VARIABLE, str(tmp_path / "none.ttf"))
    with pytest.raises(EmojiFontError, match=r"none\.ttf.*apt-get install fonts-noto-color-emoji"):
        find_font()
    monkeypatch.delenv(glyphs.FONT_VARIABLE)
    monkeypatch.setattr(glyphs, "FONT_FOLDERS", (str(tmp_path),))
    with pytest.raises(EmojiFontError, match="apt-get install fonts-noto-color-emoji"):
        find_font()
