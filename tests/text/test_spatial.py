"""The reader of places: expressions in the manner of RefCOCO, and every kind of the emoji grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.text.spatial import Clock, Described, Rank, Region, Related, read_places, say

READ = """
left guy | guy: left one
guy on left | guy: left of the picture
guy left | guy: left one
lady rt | lady: right one
right dude | dude: right one
far left person | person: far left one
person on far left | person: far left of the picture
far right | thing: far right one
the far right one | thing: far right one
leftmost giraffe | giraffe: leftmost (giraffe)
the zebra on the right | zebra: right of the picture
zebra right side | zebra: right of the picture
man on the left side of the picture | man: left of the picture
woman on the right hand side | woman: right of the picture
right hand side pizza | pizza: right of the picture
left-hand elephant | elephant: left one
bottom left | thing: bottom left of the picture
btm left | thing: bottom left of the picture
bottom left corner | thing: bottom left of the picture
pizza in the bottom-right corner | pizza: bottom right of the picture
upper right screen | thing: top right of the picture
top left donut | donut: top left of the picture
top right pic | thing: top right of the picture
lower left sandwich | sandwich: bottom left of the picture
the bowl at the very top | bowl: far top of the picture
top one | thing: top one
bottom one | thing: bottom one
middle one | thing: middle one
middle guy | guy: middle one
man in the middle | man: middle of the picture
center horse | horse: middle one
the one in the center | thing: middle of the picture
mid banana | banana: middle one
guy in middle with hat | guy with hat: middle of the picture
second from left | thing: number 2 from the left
2nd from rt | thing: number 2 from the right
2nd guy from the left | guy: number 2 from the left (guy)
third cat from the right | cat: number 3 from the right (cat)
third person from left in white shirt | person in white shirt: number 3 from the left (person)
second one from the right side | thing: number 2 from the right
second from the top | thing: number 2 from the top
second donut from bottom | donut: number 2 from the bottom (donut)
4th from the left | thing: number 4 from the left
second to last on the right | thing: number 2 from the right
last one on the right | thing: rightmost
last on left | thing: leftmost
first guy on left | guy: leftmost (guy)
first person from right | person: rightmost (person)
3rd in from the left | thing: number 3 from the left
the second zebra | zebra: number 2 from the left (zebra)
middle of the three dogs | dog: middle one of 3 (dog)
of the two cats, the left one | cat: leftmost of 2 (cat)
left one of the two dogs | dog: leftmost of 2 (dog)
the rightmost of the four umbrellas | umbrella: rightmost of 4 (umbrella)
one of the two girls on the left | girl: left of the picture
counting from the left, the third boat | boat: number 3 from the left (boat)
from left, 3rd guy | guy: number 3 from the left (guy)
biggest elephant | elephant: largest (elephant)
the largest of the bears | bear: largest (bear)
smallest sheep | sheep: smallest (sheep)
smaller elephant | elephant: smallest (elephant)
bigger one | thing: largest
tallest man | man: tallest (man)
taller person | person: tallest (person)
shortest girl | girl: shortest (girl)
closest to camera | thing: nearest to the camera
the boat closest to us | boat: nearest to the camera (boat)
nearest cow | cow: nearest to the camera (cow)
closest one | thing: nearest to the camera
the car furthest away | car: furthest from the camera (car)
furthest back guy | guy: furthest from the camera (guy)
person farthest from the camera | person: furthest from the camera (person)
front guy | guy: front one
girl in front | girl: front of the picture
dude in the front row | dude: front of the picture
back row left | thing: back of the picture; left one
man in back | man: back of the picture
woman in the background | woman: back of the picture
person in background on right | person: back of the picture; right of the picture
foreground sheep | sheep: front one
front left cow | cow: front left of the picture
back right chair | chair: back right of the picture
cup left of the laptop | cup: left of (laptop)
cup to the left of the laptop | cup: left of (laptop)
the chair to the right of the table | chair: right of (table)
glass on the right side of the plate | glass: right of (plate)
bottle just right of the glass | bottle: right of (glass)
lamp above the bed | lamp: above (bed)
picture over the couch | picture: above (couch)
couch under the picture | couch: under (picture)
lamp next to the picture on the left | lamp: next to (picture); left of the picture
second picture from left | picture: number 2 from the left (picture)
dog in the picture | dog
shelf below the tv | shelf: below (tv)
bag under the table | bag: under (table)
cat under the bench | cat: under (bench)
dog next to the man | dog: next to (man)
girl beside the boy in red | girl: next to (boy in red)
car near the tree | car: next to (tree)
bench by the tree | bench: next to (tree)
woman in front of the bus | woman: in front of (bus)
man behind the counter | man: behind (counter)
guy behind girl | guy: behind (girl)
person behind | person: back one
man standing behind the woman on the left | man standing: behind (woman); left of the picture
bowl between the two plates | bowl: between (plate) and (plate)
man between the woman and the dog | man: between (woman) and (dog)
woman in between two men | woman: between (man) and (man)
cup inside the box | cup: inside (box)
cat on the couch | cat: on (couch)
a man on top of a horse | man: on (horse)
book on table | book: on (table)
vase in the middle of the table | vase: inside (table)
couch closest to the window | couch: nearest (window)
chair nearest the door | chair: nearest (door)
cup left of the dog under the lamp | cup: left of (dog: under (lamp))
man to the right of the man in the middle | man: right of (man: middle of the picture)
the woman to the left of the man in the blue shirt | woman: left of (man in the blue shirt)
person left of girl in pink | person: left of (girl in pink)
dog with a cat to its left | dog: right of (cat)
the horse with a man on its right | horse: left of (man)
near the cat a black car | black car: next to (cat)
to the left of the tree, a bike | bike: left of (tree)
under the table is a dog | dog: under (table)
on the left there is a cat | cat: left of the picture
in the top left corner, a clock | clock: top left of the picture
left of the red cup, bottle | bottle: left of (red cup)
person at 3 o'clock | person: at 3 o'clock
12 o'clock donut | donut: at 12 o'clock
the slice at 6 oclock | slice: at 6 o'clock
guy facing left | guy facing left
horse looking to the right | horse looking to the right
man turning right | man turning right
woman pointing left | woman pointing left
the left-handed batter | left-handed batter
man's left hand | man's left hand
her right arm | right arm
left hand of the man | left hand of the man
bottom of the bottle | bottom of the bottle
top of the cake | top of the cake
front of the bus | front of the bus
back of the chair | back of the chair
left side of the couch | left side of the couch
the middle of the pizza | middle of the pizza
man in top hat | man in top hat
woman in red top | woman in red top
girl in tank top | girl in tank top
girl in the black top | girl in the black top
front wheel | front wheel
back wheel of the bike | back wheel of the bike
what's left | what's left
the slice that was left | slice that was left
bag left behind | bag left
the dog, right? | dog
all right | all right
dog right by the door | dog: next to (door)
right in front of the man, a dog | dog: in front of (man)
cat right next to the dog | cat: next to (dog)
guy right behind the bench | guy: behind (bench)
man right in red | man in red: right one
right guy in red shirt | guy in red shirt: right one
left man with hat | man with hat: left one
guy in white shirt on far right holding a bat | guy in white shirt holding a bat: far right of the picture
black dog on the left looking at camera | black dog looking at camera: left of the picture
left kid blue shirt | kid blue shirt: left one
two people on left | two people: left of the picture
the couple on the right | couple: right of the picture
kid in between | kid
person third base | person third base
man in second row | man in second row
blue car 2nd from left | blue car: number 2 from the left (blue car)
the red bus on the left behind the car | red bus: left of the picture; behind (car)
girl on phone | girl on phone
man on the phone on left | man on the phone: left of the picture
dog by itself | dog by itself
man talking on the phone to the right of the woman | man talking on the phone: right of (woman)
top half of sandwich | top half of sandwich
left half of the sandwich | left half of the sandwich
left sandwich half | sandwich half: left one
banana on top | banana: top of the picture
sheep above | sheep: top one
lower bunk | bunk: bottom one
upper bunk bed | bunk bed: top one
the higher of the two kites | kite: topmost of 2 (kite)
lower of the two | thing: lowest of 2
highest kite | kite: topmost (kite)
lowest plane | plane: lowest (plane)
kite furthest to the left | kite: leftmost (kite)
bird furthest right | bird: rightmost (bird)
animal on the extreme right | animal: far right of the picture
very left person | person: far left one
right most bear | bear: rightmost (bear)
left most | thing: leftmost
top most book | book: topmost (book)
upper left most donut | donut: top left of the picture
pizza slice closest to the camera | pizza slice: nearest to the camera (pizza slice)
guy closest to you | guy: nearest to the camera (guy)
the giraffe on left eating | giraffe eating: left of the picture
zebra on left facing right | zebra facing right: left of the picture
left of two | thing: leftmost of 2
right of the two giraffes | giraffe: rightmost of 2 (giraffe)
middle giraffe | giraffe: middle one
center of the three men | man: middle one of 3 (man)
guy on the bench at left | guy: on (bench); left of the picture
couch against wall | couch against wall
couch on the left by the window | couch: left of the picture; next to (window)
bed on right by window | bed: right of the picture; next to (window)
a woman standing to the right of a car | woman standing: right of (car)
an elephant standing behind another elephant | elephant standing: behind (elephant)
a man sitting on a bench next to a dog | man: on (bench: next to (dog))
a dog sitting on the left side of the bench | dog sitting: left of (bench)
a cat that is lying on the bed | cat: on (bed)
a white plate that is below the cake | white plate: below (cake)
small bowl to the upper left of the plate | small bowl: left of (plate); above (plate)
bowl at the lower right of the plate | bowl: right of (plate); below (plate)
cup above and to the left of the plate | cup: above (plate); left of (plate)
car parked behind the truck | car parked: behind (truck)
man wearing black standing in the center | man wearing black standing: middle of the picture
skier in front of the others | skier: front one
guy with his back to us | guy with his back to us
hand on the left | hand: left of the picture
left hand | hand: left one
left arm | arm: left one
chair closest to left | chair: leftmost (chair)
the tv on the right in the picture | tv: right of the picture
the one to the right | thing: right of the picture
to the right | thing: right of the picture
on the left | thing: left of the picture
red | red
dog | dog
lower giraffe | giraffe: bottom one
bottom sheep | sheep: bottom one
bear on bottom | bear: bottom of the picture
shelf second from top | shelf: number 2 from the top (shelf)
second shelf | shelf: number 2 from the left (shelf)
second stack from left | stack: number 2 from the left (stack)
2 from left | thing: number 2 from the left
two from the right | thing: number 2 from the right
last elephant | elephant
next to last on right | thing: number 2 from the right
suitcase at the bottom of the stack | suitcase: inside (stack)
pink one on top of the blue one | pink: on (blue)
umbrella right above the man | umbrella: above (man)
woman under umbrella on right | woman: under (umbrella); right of the picture
boy at bat | boy at bat
catcher behind batter | catcher: behind (batter)
guy in black in back | guy in black: back of the picture
back guy in black | guy in black: back one
man in the back of the boat | man: inside (boat)
bird on the right wing | bird: on (wing: right one)
the woman near us | woman: front one
person nearest to us | person: nearest to the camera (person)
dog in front of us | dog: front one
cat to our left | cat: left of the picture
cat on his left | cat on his left
man on her right | man on her right
guy w/ hat left of girl | guy with hat: left of (girl)
man btw two women | man: between (woman) and (woman)
the orange on the left | orange: left of the picture
orange between apples | orange: between (apple) and (apple)
left cat | cat: left one
the cat on the left | cat: left of the picture
red cup left of the dog under the lamp | red cup: left of (dog: under (lamp))
of the three red dogs, the middle one | red dog: middle one of 3 (red dog)
the second from the left of the three dogs | dog: number 2 from the left of 3 (dog)
left of the dog, cup | cup: left of (dog)
left of the dog there is a red cup | red cup: left of (dog)
on the left side of the dog is the cup | cup: left of (dog)
cup with a dog to its right | cup: left of (dog)
the red cup that is next to the dog which is under the lamp | red cup: next to (dog: under (lamp))
cup between the dog and the lamp | cup: between (dog) and (lamp)
cup between two red lamps | cup: between (red lamp) and (red lamp)
leftmost dog, red | red dog: leftmost (dog)
the largest of the two dogs, the red one | red dog: largest of 2 (dog)
dog furthest to the left | dog: leftmost (dog)
counting from the left, the second dog | dog: number 2 from the left (dog)
second red dog from left, the one left of the cup | red dog: left of (cup); number 2 from the left (red dog)
in the upper left corner of the photo, red cherry | red cherry: top left of the picture
cherry top left | cherry: top left of the picture
top pic | thing: top one
guy far left | guy: far left one
closest to us | thing: nearest to the camera
elephant closest to the tree | elephant: nearest (tree)
guy behind the counter on left | guy: behind (counter); left of the picture
left guy in red shirt | guy in red shirt: left one
back row second from left | thing: back of the picture; number 2 from the left
pizza slice on bottom left | pizza slice: bottom left of the picture
the higher of the two cups | cup: topmost of 2 (cup)
one further left of the two red cats | red cat: leftmost of 2 (red cat)
the second largest dog | dog: number 2 by size (dog)
third tallest man on the right | man: right of the picture; number 3 by height (man)
number 3 from left | thing: number 3 from the left
player number 3 | player number 3
not the left one | thing
left guy, not the right one | guy: left one
the dog that is not on the left, black | black dog
man not wearing a hat on the left | man not wearing a hat: left of the picture
dog in the middle of two cats | dog: between (cat) and (cat)
last donut in bottom row | donut: bottom of the picture
man with left hand up | man with left hand
lower left hand side plate | plate: bottom left of the picture
cup next to the dog and above the lamp | cup: next to (dog); above (lamp)
"""
WORDS = "left right of the two dogs cat from second between and , with to its on middle"
CASES = [tuple(line.split(" | ")) for line in READ.strip().splitlines()]


def test_there_are_hundreds_of_cases() -> None:
    assert len(CASES) > 230


@pytest.mark.parametrize(("text", "meaning"), CASES, ids=[text for text, _ in CASES])
def test_places_are_read(text: str, meaning: str) -> None:
    assert say(read_places(text)) == meaning


def test_the_tree_is_what_its_words_tell() -> None:
    under = Described("dog", (Related("under", (Described("lamp"),)),))
    assert read_places("cup left of the dog under the lamp") == Described("cup", (Related("left_of", (under,)),))
    assert read_places("second red dog from the left, in a hat") == Described(
        "red dog in a hat", (Rank("left", 2, among="red dog"),)
    )
    assert read_places("the left one of the two dogs") == Described("dog", (Rank("left", 1, 2, "dog"),))
    assert read_places("far left") == Described("", (Region(("left",), choosing=True, extreme=True),))
    assert read_places("cat at 3 o'clock") == Described("cat", (Clock(3),))


def test_what_asks_is_no_part_of_the_phrase() -> None:
    assert read_places("please show me the cat on the left") == read_places("cat on the left")


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read_places(text), Described)


@given(st.lists(st.sampled_from(WORDS.split())))
def test_any_order_of_words_is_read(words: list[str]) -> None:
    assert isinstance(say(read_places(" ".join(words))), str)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Region(("left", "right", "top")), "one or two"),
        (lambda: Clock(13), "1 to 12"),
        (lambda: Rank("left", 4, 3), "no place 4 among 3"),
        (lambda: Related("between", (Described("dog"),)), "between of 1 things"),
    ],
)
def test_a_wrong_tree_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
