"""The filter: what a language model may do to descriptions, and the search for second answers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reir.construction import (
    ConfirmStep,
    EndpointSettings,
    FilterSettings,
    FilterStep,
    Filtration,
    Flag,
    Journal,
    Limits,
    RivalRule,
    Split,
    find_rivals,
    find_twins,
    read_annotated,
    run_step,
)
from reir.data import load_dataset
from reir.errors import PicturesMissingError
from reir.store import Index
from tests.construction.chat_server import Body, Brain, ChatServer, Reply, facts_of, wanted_of
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, make_index

CAPTION = "A kitchen with a red kettle on a stove."
TEXTS = ["a red kettle on a stove", "kettle, red, is there on stove", "kettle on the stove", "the kettle is nice"]
OTHER = ["a stove under a kettle", "the stove in the kitchen"]


def described_file(folder: Path) -> Path:
    """One picture with a kettle, a stove, and a poor cup that has no descriptions."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 60), (200, 30, 30)).save(folder / "images" / "a.png")
    content = {
        "info": {"step": "generated"},
        "images": [{"id": 7, "file_name": "a.png", "width": 80, "height": 60, "captions": [CAPTION]}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 40, 30], "expressions": TEXTS, "area": 1200},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 30, 40, 30], "expressions": OTHER, "area": 1200},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [60, 50, 5, 5], "quality": "poor", "cause": "small"},
        ],
        "categories": [{"id": 1, "name": "kettle"}, {"id": 2, "name": "stove"}, {"id": 3, "name": "cup"}],
    }
    path = folder / "described.json"
    path.write_text(json.dumps(content))
    return path


def keep_all(body: Body) -> dict[int, list[dict[str, Any]]]:
    wanted = {one["number"]: one["phrases"] for one in facts_of(body)["instances"]}
    return {
        number: [{"text": one["text"], "verdict": "kept", "from": [one["index"]]} for one in wanted[number]]
        for number in wanted_of(body)
    }


def editor(change: Callable[[dict[int, list[dict[str, Any]]]], None], times: int = 9) -> Brain:
    """A server that keeps everything but for what ``change`` does to its first ``times`` answers."""

    def brain(body: Body, number: int) -> Reply:
        decided = keep_all(body)
        if number < times:
            change(decided)
        return Reply(json.dumps({"instances": [{"number": n, "phrases": told} for n, told in decided.items()]}))

    return brain


def filtered(folder: Path, brain: Brain, *, vision: bool = False) -> tuple[Filtration, ChatServer]:
    data = read_annotated(described_file(folder))
    with ChatServer(brain) as server, Journal.beside(folder / "out" / "expressions") as journal:
        endpoint = EndpointSettings(server.url, "reader")
        step = FilterStep(data, FilterSettings(vision=vision), endpoint)
        filtration = Filtration(data)
        filtration.take_phrases(step, run_step(step, journal, endpoint, limits=Limits(turns=2)))
    filtration.search(None, None, RivalRule())
    return filtration, server


def texts_of(filtration: Filtration) -> dict[int, tuple[str, ...]]:
    return {one.id: one.texts for picture in filtration.data.pictures for one in picture.instances}


def test_the_question_holds_captions_and_candidates_but_no_picture(tmp_path: Path) -> None:
    _, server = filtered(tmp_path, editor(lambda decided: None))
    (one,) = server.received
    system, user = one.body["messages"]
    assert "cannot see the photo" in system["content"]
    facts = json.loads(user["content"])
    assert facts["captions"] == [CAPTION]
    assert [entry["number"] for entry in facts["instances"]] == [1, 2]
    assert facts["instances"][0]["phrases"][2] == {"index": 2, "text": TEXTS[2]}
    assert facts["others"] == [{"number": 3, "category": "cup"}]
    _, seeing = filtered(tmp_path / "seeing", editor(lambda decided: None), vision=True)
    assert seeing.received[0].body["messages"][1]["content"][0]["type"] == "image_url"


def test_kept_improved_merged_and_dropped_are_applied_and_noted(tmp_path: Path) -> None:
    def change(decided: dict[int, list[dict[str, Any]]]) -> None:
        decided[1] = [
            {"text": TEXTS[0], "verdict": "kept", "from": [0]},
            {"text": "the kettle standing on a kitchen stove", "verdict": "merged", "from": [1, 2]},
        ]

    filtration, _ = filtered(tmp_path, editor(change))
    assert texts_of(filtration) == {1: (TEXTS[0], "the kettle standing on a kitchen stove"), 2: tuple(OTHER), 3: ()}
    done = filtration.write(tmp_path / "out")
    assert done.verdicts == {"kept": 3, "merged": 1, "dropped": 1}
    assert (done.pictures, done.instances, done.expressions) == (1, 2, 4)
    (line,) = (tmp_path / "out/changes.jsonl").read_text().splitlines()
    noted = json.loads(line)
    assert (noted["annotation_id"], noted["before"], noted["dropped"]) == (1, TEXTS, [3])
    assert [phrase["verdict"] for phrase in noted["phrases"]] == ["kept", "merged"]


def test_what_the_filter_invents_is_taken_back(tmp_path: Path) -> None:
    def change(decided: dict[int, list[dict[str, Any]]]) -> None:
        decided[1][1] = {"text": "the red kettle beside a parrot", "verdict": "improved", "from": [1]}

    filtration, server = filtered(tmp_path, editor(change))
    assert len(server.received) == 1
    assert texts_of(filtration)[1] == tuple(TEXTS)
    done = filtration.write(tmp_path / "out")
    assert done.verdicts["reverted"] == 1


def test_an_empty_list_drops_the_instance(tmp_path: Path) -> None:
    filtration, _ = filtered(tmp_path, editor(lambda decided: decided[2].clear()))
    assert texts_of(filtration)[2] == ()
    filtration.write(tmp_path / "out")
    content = json.loads((tmp_path / "out/expressions.json").read_text())
    assert [one["id"] for one in content["annotations"]] == [1]


def number_missing(decided: dict[int, list[dict[str, Any]]]) -> None:
    del decided[2]


def set_first(**fields: Any) -> Callable[[dict[int, list[dict[str, Any]]]], None]:
    return lambda decided: decided[1][0].update(fields)


WRONG = {
    "missing instance": (number_missing, "number 2: it is missing"),
    "kept with other words": (set_first(text="a kettle"), "differs from candidate 0"),
    "unknown candidate": (set_first(**{"from": [9]}), "must name candidates 0 to 3"),
    "used twice": (set_first(**{"from": [1]}), "used more than once"),
    "merged of one": (set_first(verdict="merged"), "made of 1 candidates"),
    "coordinates": (set_first(text="kettle at 10x20", verdict="improved"), "coordinates"),
    "words of another": (set_first(text=OTHER[0], verdict="improved"), "also given to number 2"),
    "unknown verdict": (set_first(verdict="nice"), "Input should be 'kept', 'improved' or 'merged'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_decision_is_asked_again_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    change, complaint = WRONG[name]
    filtration, server = filtered(tmp_path, editor(change, times=1))
    assert len(server.received) == 2
    assert complaint in server.received[1].body["messages"][-1]["content"]
    assert texts_of(filtration) == {1: tuple(TEXTS), 2: tuple(OTHER), 3: ()}


def test_words_that_two_objects_have_are_kept_for_neither(tmp_path: Path) -> None:
    path = described_file(tmp_path)
    content = json.loads(path.read_text())
    content["annotations"][1]["expressions"] = [TEXTS[0], OTHER[1]]
    path.write_text(json.dumps(content))
    step = FilterStep(read_annotated(path), FilterSettings(), EndpointSettings("http://127.0.0.1:1/v1", "reader"))
    kept = {"text": TEXTS[0], "verdict": "kept", "from": [0]}
    answer = {"instances": [{"number": number, "phrases": [kept]} for number in (1, 2)]}
    reading = step.read(step.units[0], [1, 2], json.dumps(answer))
    assert reading.problems == {
        1: ["phrase 1 is also given to number 2"],
        2: ["phrase 1 is also given to number 1"],
    }


def test_an_instance_that_stays_undecided_has_no_expressions(tmp_path: Path) -> None:
    filtration, _ = filtered(tmp_path, editor(number_missing))
    assert filtration.failed == {2: "it is missing"}
    assert texts_of(filtration)[2] == ()


# Second answers


def colours_file(folder: Path, pictures: dict[str, Quadrants], asked: dict[str, tuple[int, str]]) -> Path:
    """All quadrants as annotations of one category (a ``dark`` one is of another); ``asked`` names a picture's quadrant
    (0 to 3) and its expression.
    """
    images, annotations = [], []
    for n, (name, quadrants) in enumerate(pictures.items(), start=1):
        images.append({"id": n, "file_name": name, "width": 80, "height": 60})
        for q, colour in enumerate(quadrants):
            box = [40 * (q % 2), 30 * (q // 2), 40, 30]
            one = {"id": 10 * n + q, "image_id": n, "category_id": 2 if colour == "dark" else 1, "bbox": box}
            if name in asked and asked[name][0] == q:
                one["expressions"] = [asked[name][1]]
            annotations.append(one)
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "patch"}, {"id": 2, "name": "shade"}],
    }
    path = folder / "colours.json"
    path.write_text(json.dumps(content))
    return path


PICTURES: dict[str, Quadrants] = {
    "one.png": ("red", "green", "dark", "dark"),
    "two.png": ("dark", "red", "blue", "dark"),
    "three.png": ("dark", "green", "dark", "green"),
}
ASKED = {"one.png": (0, "red"), "two.png": (2, "blue"), "three.png": (1, "green")}


@pytest.fixture
def colours(tmp_path: Path) -> tuple[Path, Index]:
    index = make_index(tmp_path / "images", PICTURES)
    return colours_file(tmp_path, PICTURES, ASKED), index


def rivals_of(colours: tuple[Path, Index], **rule: Any) -> dict[str, Flag]:
    path, index = colours
    with index.snapshot() as snapshot:
        flags = find_rivals(snapshot, GridColourModel(), read_annotated(path), rule=RivalRule(**rule))
    return {flag.expression: flag for flag in flags}


def test_rivals_in_other_pictures_and_in_the_same_are_found(colours: tuple[Path, Index]) -> None:
    found = rivals_of(colours)
    assert set(found) == {"red", "green"}
    (red,) = found["red"].rivals
    assert (red.file_name, red.box, red.category, red.instance_id) == ("two.png", (40.0, 0.0, 80.0, 30.0), "patch", 21)
    assert red.score == pytest.approx(found["red"].score)
    assert {(rival.file_name, rival.instance_id) for rival in found["green"].rivals} == {
        ("one.png", 11),
        ("three.png", 33),
    }


def test_another_category_is_no_rival_and_an_unknown_box_may_be(colours: tuple[Path, Index], tmp_path: Path) -> None:
    path, index = colours
    content = json.loads(path.read_text())
    by_id = {one["id"]: one for one in content["annotations"]}
    by_id[21]["category_id"] = 2
    path.write_text(json.dumps(content))
    assert "red" not in rivals_of((path, index))
    content["annotations"].remove(by_id[21])
    path.write_text(json.dumps(content))
    (red,) = rivals_of((path, index))["red"].rivals
    assert (red.category, red.instance_id) == (None, None)
    assert "red" not in rivals_of((path, index), unknown=False)


def test_the_margin_is_a_share_of_the_height_over_the_mean(colours: tuple[Path, Index]) -> None:
    path, index = colours
    content = json.loads(path.read_text())
    next(one for one in content["annotations"] if one["id"] == 22)["expressions"] = ["blue red"]
    path.write_text(json.dumps(content))
    # "blue red" scores blue and red patches alike, 0.707; all other patches lie lower.
    assert {rival.instance_id for rival in rivals_of((path, index), margin=0.0)["blue red"].rivals} == {10, 21}
    assert "blue red" not in rivals_of((path, index), margin=-0.01)
    assert len(rivals_of((path, index), margin=2.0, most=99)["red"].rivals) == 5  # every patch


def test_a_target_that_the_index_does_not_see_is_told(colours: tuple[Path, Index]) -> None:
    path, index = colours
    content = json.loads(path.read_text())
    next(one for one in content["annotations"] if one["id"] == 22)["bbox"] = [10, 10, 8, 8]
    path.write_text(json.dumps(content))
    assert rivals_of((path, index))["blue"].kind == "unseen"


def test_an_index_without_the_pictures_is_refused(colours: tuple[Path, Index]) -> None:
    path, index = colours
    path.write_text(path.read_text().replace("three.png", "four.png"))
    with pytest.raises(PicturesMissingError, match=r"four\.png"):
        rivals_of((path, index))


def test_the_same_words_for_two_instances_are_twins(tmp_path: Path) -> None:
    path = colours_file(tmp_path, PICTURES, {"one.png": (0, "the Red patch."), "two.png": (1, "a red patch")})
    flags = find_twins(read_annotated(path).pictures)
    assert [(flag.instance_id, flag.kind, flag.rivals[0].instance_id) for flag in flags] == [
        (10, "twin", 21),
        (21, "twin", 10),
    ]


def eye(body: Body, number: int) -> Reply:
    """A model that looks: a colour word fits if the cut it was sent shows mostly that colour."""
    parts = body["messages"][1]["content"]
    cut = parts[1]["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(cut)))).astype(int)
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
    seen = ("red", "green", "blue")[int(middle.argmax())]
    said = [
        {"number": one["number"], "fits": one["phrase"] == seen, "why": f"it is {seen}"}
        for one in json.loads(parts[2]["text"])["phrases"]
    ]
    return Reply(json.dumps({"instances": said}))


def test_a_model_that_sees_confirms_or_refutes(colours: tuple[Path, Index], tmp_path: Path) -> None:
    path, index = colours
    content = json.loads(path.read_text())
    next(one for one in content["annotations"] if one["id"] == 22)["expressions"] = ["blue red"]
    path.write_text(json.dumps(content))
    data = read_annotated(path)
    filtration = Filtration(data)
    with index.snapshot() as snapshot:
        filtration.search(snapshot, GridColourModel(), RivalRule())
    with ChatServer(eye) as server, Journal.beside(tmp_path / "out/expressions") as journal:
        endpoint = EndpointSettings(server.url, "seer")
        looks = ConfirmStep(filtration.flags, data.images_root, endpoint)
        filtration.take_looks(looks, run_step(looks, journal, endpoint))
        # Boxes, not pairs, are asked about: both questions about the red patch of two.png go together.
        assert len(server.received) == len({(r.file_name, r.box) for flag in filtration.flags for r in flag.rivals})
    assert {flag.expression: flag.confirmed for flag in filtration.flags} == {
        "red": True,
        "green": True,
        "blue red": False,
    }
    done = filtration.write(tmp_path / "out")
    assert done.flags == {"rival": 3, "confirmed": 2, "refuted": 1}
    assert [query.text for query in load_dataset(tmp_path / "out/expressions.json").queries] == ["blue red"]
    assert filtration.write(tmp_path / "all", policy="keep").expressions == 3
    flagged = json.loads((tmp_path / "all/expressions.json").read_text())["annotations"]
    assert [one["flags"][0]["confirmed"] for one in flagged] == [True, False, True]


@pytest.mark.parametrize(("policy", "left"), [("keep", 3), ("confirmed", 3), ("drop", 1)])
def test_policies_without_confirmation(colours: tuple[Path, Index], tmp_path: Path, policy: Any, left: int) -> None:
    path, index = colours
    filtration = Filtration(read_annotated(path))
    with index.snapshot() as snapshot:
        filtration.search(snapshot, GridColourModel(), RivalRule())
    assert filtration.write(tmp_path / "out", policy=policy).expressions == left


def test_a_split_keeps_pictures_whole_and_stable(tmp_path: Path) -> None:
    pictures = {f"{n}.png": PICTURES["one.png"] for n in range(60)}
    everything = {name: (n % 2, f"patch {name}") for n, name in enumerate(pictures)}
    data = read_annotated(colours_file(tmp_path, pictures, everything))
    filtration = Filtration(data)
    filtration.write(tmp_path / "out", split=Split(test_share=0.3, seed=1))
    train = load_dataset(tmp_path / "out/train.json", images=tmp_path)
    test = load_dataset(tmp_path / "out/test.json", images=tmp_path)
    assert {i.file_name for i in train.images} & {i.file_name for i in test.images} == set()
    assert len(train.queries) + len(test.queries) == 60
    assert 8 <= len(test.queries) <= 28
    split = Split(test_share=0.3, seed=1)
    fewer = [picture for picture in data.pictures if split.is_test(picture)][:3]
    assert all(Split(test_share=0.3, seed=1).is_test(picture) for picture in fewer)
    filtration.write(tmp_path / "listed", split=Split(test_ids={1, 2}))
    listed = json.loads((tmp_path / "listed/test.json").read_text())
    assert {one["source_image_id"] for one in listed["images"]} == {1, 2}
