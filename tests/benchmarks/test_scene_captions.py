"""Captions that the small captioner of the second look's benchmarks is trained on, and that its words can say."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bridging.scene_objects import SceneObject
from benchmarks.second_look.train_captioner import PLACES, SPECIAL, _vocabulary, _words, crop_caption, scene_caption
from reir.data.scenes.nouns import nouns_by_name
from reir.data.scenes.scene import COLOURS
from reir.text import noun_phrases

DOG = SceneObject(noun=1, name="dog", group="animal", colour="brown", box=(0, 0, 10, 10), expressions=())
OWL = replace(DOG, noun=2, name="owl", colour="orange", box=(50, 0, 60, 10))


def test_captions_name_everything_from_left_to_right() -> None:
    assert crop_caption(DOG) == "a brown dog"
    assert crop_caption(OWL) == "an orange owl"
    assert scene_caption([OWL], "snow") == "an orange owl in the snow"
    assert scene_caption([OWL, DOG], "kitchen") == "a brown dog and an orange owl in a kitchen"
    other = replace(DOG, colour="red", box=(80, 0, 90, 10))
    assert scene_caption([OWL, other, DOG], "table") == "two dogs and an orange owl on a table"
    same = replace(DOG, box=(80, 0, 90, 10))
    car = replace(DOG, name="car", colour="blue", box=(100, 0, 110, 10))
    caption = scene_caption([car, OWL, same, DOG], "beach")
    assert caption == "two brown dogs, an orange owl and a blue car on a beach"
    phrases = noun_phrases(caption, reader="rules")
    assert phrases == ["two brown dogs", "an orange owl", "a blue car", "a beach"]


def test_the_words_of_all_captions_are_tokens() -> None:
    words = set(_vocabulary())
    assert len(words) == len(_vocabulary())
    assert set(SPECIAL) < words
    for noun in nouns_by_name().values():
        for colour in COLOURS:
            thing = replace(DOG, name=noun.name, colour=colour)
            others = [replace(thing, box=(x, 0, x + 9, 9)) for x in (20, 40)]
            for place in PLACES:
                assert set(_words(scene_caption([thing, *others, OWL], place))) <= words
            assert set(_words(crop_caption(thing))) <= words
