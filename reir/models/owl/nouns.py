"""Everyday things, the yardstick of objectness for OWL-ViT, which has no head of its own for it.

What stands in photos often, in plain English: things of the kind that COCO and Objects365 name. Changing the list
changes which instances an index keeps, so it is part of the model's fingerprint.
"""

_PEOPLE = (
    "person, man, woman, child, baby, face, hand, hat, helmet, glasses, shirt, jacket, dress, trousers, shoe, boot, "
    "glove, tie, watch, necklace, handbag, backpack, suitcase, umbrella"
)
_ANIMALS = (
    "dog, cat, bird, horse, cow, sheep, goat, pig, chicken, duck, rabbit, mouse, fish, elephant, bear, zebra, giraffe, "
    "lion, monkey, deer, turtle, snake, butterfly, insect"
)
_STREET = (
    "car, truck, bus, train, tram, motorcycle, bicycle, scooter, boat, ship, airplane, helicopter, wheel, "
    "license plate, traffic light, traffic sign, street lamp, fire hydrant, bench, fence, flag, statue, fountain, "
    "bridge, house, building, tower, tent, balloon, kite, tree, flower, potted plant, bush, leaf, rock, mushroom"
)
_HOUSE = (
    "chair, armchair, stool, couch, table, desk, bed, cabinet, shelf, drawer, mirror, window, door, curtain, carpet, "
    "cushion, blanket, towel, lamp, candle, clock, vase, picture frame, fireplace, fan, bathtub, sink, toilet, tap, "
    "bin, basket, box, bottle, bucket, broom"
)
_KITCHEN = (
    "cup, mug, glass, plate, bowl, spoon, fork, knife, pot, pan, kettle, teapot, oven, refrigerator, microwave, "
    "toaster, bread, cake, cookie, pizza, sandwich, hamburger, hot dog, egg, cheese, apple, banana, orange, lemon, "
    "strawberry, grapes, tomato, carrot, broccoli, pumpkin, ice cream, doughnut"
)
_OBJECTS = (
    "television, computer, laptop, keyboard, computer mouse, telephone, mobile phone, camera, headphones, loudspeaker, "
    "remote control, book, newspaper, pen, scissors, hammer, ladder, rope, key, coin, toy, teddy bear, doll, ball, "
    "racket, bat, skateboard, surfboard, ski, snowboard, frisbee, guitar, piano, violin, drum, hair dryer, toothbrush, "
    "medal, gift, sign"
)

EVERYDAY_NOUNS: tuple[str, ...] = tuple(
    noun for group in (_PEOPLE, _ANIMALS, _STREET, _HOUSE, _KITCHEN, _OBJECTS) for noun in group.split(", ")
)
