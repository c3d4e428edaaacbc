from reir.data.scenes.nouns import load_nouns, nouns_by_name


def test_there_are_enough_nouns_and_each_has_its_own_glyph():
    nouns = load_nouns()
    assert len(nouns) >= 130
    assert len({noun.text for noun in nouns}) == len(nouns)
    assert set(nouns_by_name()) == {noun.name for noun in nouns}


def test_a_word_names_one_noun_only():
    words = [word for noun in load_nouns() for word in {*noun.names, noun.plural}]
    assert len(words) == len(set(words))
    assert all(1 <= len(word.split()) <= 3 and word == word.lower() for word in words)


def test_surfaces_lie_inside_the_glyph():
    supporting = [noun for noun in load_nouns() if noun.supports]
    assert len(supporting) >= 12
    assert all(noun.surface is not None and 0 <= noun.surface < 0.6 for noun in supporting)
    assert all(0 <= noun.trim < 0.6 for noun in load_nouns())
