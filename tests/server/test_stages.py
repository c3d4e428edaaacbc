"""Stages and blends over HTTP mean what they mean in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastapi.testclient import TestClient

from reir import Client, Gallery
from reir.errors import UsageError, WeightsMissingError
from reir.models import ModelSpec
from reir.protocols import Model
from reir.rerank import Kind, Look, StageEntry, noted, registry
from reir.server import ServiceSettings, create_app
from reir.server.run import serve
from reir.server.stages import StageOffer
from reir.types import Hit
from tests.colour_crop_model import ColourCropModel
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import paint
from tests.serving import running


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    root = tmp_path_factory.mktemp("gallery")
    for number, colours in enumerate([("red", "dark", "blue", "green"), ("green", "red", "dark", "yellow")]):
        paint(root / f"{number}.png", colours, (300, 180))
    with Gallery.create(root, model=ColourCropModel()) as made:
        made.add([root], workers=0)
        yield made


@pytest.fixture(scope="module")
def client(gallery: Gallery) -> Iterator[TestClient]:
    with TestClient(create_app(ServiceSettings(), gallery=gallery)) as client:
        yield client


@pytest.mark.parametrize(
    "options",
    [
        {"rerank": ["templates"]},
        {"rerank": ["templates"], "stage_top": 3},
        {"rerank": ["templates"], "refine": "box-search", "mask": "stored"},
        {"blend": {"lambda": 0.1}},
        {"blend": {"tau": 2.0}, "rerank": ["templates"]},
    ],
)
def test_the_answer_is_that_of_the_gallery(client: TestClient, gallery: Gallery, options: dict[str, Any]) -> None:
    answer = client.post("/v1/search", json={"expression": "red", "top": 2, **options}).json()
    assert answer["hits"] == [hit.to_json() for hit in gallery.search("red", top=2, **options).hits]
    for name in [*options.get("rerank", []), *filter(None, [options.get("refine"), options.get("mask")])]:
        assert answer["timings_ms"][name] >= 0


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"rerank": ["template"]}, 400),
        ({"rerank": ["box-search"]}, 400),
        ({"blend": {"alpha": 1.0}}, 400),
        ({"refine": "box-search:step=0.2"}, 400),
        ({"mask": "../etc"}, 400),
        ({"mask": "stored:/etc"}, 400),
        ({"mask": "x" * 65}, 422),
        ({"stage_seconds": 0}, 422),
        ({"stage_top": 1001}, 422),
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, options: dict[str, Any], status: int) -> None:
    answer = client.post("/v1/search", json={"expression": "red", **options})
    assert answer.status_code == status, answer.text


def test_the_service_has_the_last_word_on_time(gallery: Gallery) -> None:
    app = create_app(ServiceSettings(stage_seconds=1e-6), gallery=gallery)
    with TestClient(app) as client:
        asked = {"expression": "red", "refine": "box-search", "stage_seconds": 3600, "group_by": "none"}
        answer = client.post("/v1/search", json=asked).json()
    assert "ran out of time" in answer["warnings"][0]
    assert [bool(hit["stages"]) for hit in answer["hits"]] == [True] + [False] * (len(answer["hits"]) - 1)


def test_a_client_pages_through_the_order_of_the_stages(gallery: Gallery, tmp_path: Path) -> None:
    options: dict[str, Any] = {"rerank": ["templates"], "mask": "stored", "blend": {"lambda": 0.6}, "flat": True}
    whole = gallery.search("green", top=100, **options)
    with running(create_app(ServiceSettings(), gallery=gallery)) as url, Client(url) as client:
        pages = list(client.pages("green", top=3, **options))
    assert [hit for page in pages for hit in page.hits] == [type(hit).from_json(hit.to_json()) for hit in whole.hits]


class Weighing:
    """A stage with weights in a folder: a file there holds the score of every hit. Counts how often it is loaded."""

    name = "weighing"
    needs_expression = False
    needs_pixels = False
    hits_at_once = 4
    decode_side = 8
    loaded: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, folder: str, kind: Kind, device: str) -> None:
        self.kind: Kind = kind
        self._folder, self._device = folder, device
        self._weight: float | None = None

    def check(self, model: Model) -> None:
        if model.identity.name != "colour-crop":
            raise UsageError("weighing works on indexes of colour-crop")

    def prepare(self) -> None:
        if self._weight is None:
            file = Path(self._folder) / "weight"
            if not file.exists():
                raise WeightsMissingError("weighing", f"no {file}", "Put it there")
            self._weight = float(file.read_text())
            self.loaded.append((self._folder, self._device))

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        return [noted(hit, self.name, {"weight": self._weight}, score=self._weight or 0.0) for hit in hits]


def load_rerank(spec: ModelSpec, *, device: str) -> Weighing:
    spec.require_options(["speed"])
    return Weighing(spec.argument or "", "rerank", device)


def load_refine(spec: ModelSpec, *, device: str) -> Weighing:
    spec.require_options(["speed"])
    return Weighing(spec.argument or "", "refine", device)


@pytest.fixture
def weighing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The folder of a stage of two kinds that has weights."""
    for kind in ("rerank", "refine"):
        entry = StageEntry("weighing", kind, "weighs hits", "colour-crop", f"{__name__}:load_{kind}")  # type: ignore[arg-type]
        monkeypatch.setitem(registry._ENTRIES, (entry.name, entry.kind), entry)
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "weight").write_text("7.5")
    Weighing.loaded.clear()
    return str(tmp_path / "heavy")


def ask(client: TestClient, **options: Any) -> Any:
    return client.post("/v1/search", json={"expression": "red", **options})


def test_a_client_cannot_bring_up_a_stage_with_weights(client: TestClient, weighing: str) -> None:
    for name in ("weighing", "weighing:/heavy", "sam", "sam:/etc", "vatex:/etc"):
        for options in ({"rerank": [name]}, {"refine": name}, {"mask": name}):
            answer = ask(client, **options)
            assert answer.status_code == 400
            error = answer.json()["error"]
            assert error["code"] == "bad_request"
            assert f"stage named {name!r}" in error["message"]
            assert "reir serve --stage NAME" in error["message"]
    assert "those it offers: stored." in ask(client, mask="sam").json()["error"]["message"]
    assert Weighing.loaded == []


def test_stages_that_the_host_names_are_loaded_once_at_the_start_and_offered(gallery: Gallery, weighing: str) -> None:
    settings = ServiceSettings(stages=(f"heavy=weighing:{weighing},speed=2", "box-search:step=0.3"))
    with TestClient(create_app(settings, gallery=gallery)) as client:
        assert len(Weighing.loaded) == 2  # once for each kind
        answer = ask(client, rerank=["heavy", "templates"], refine="heavy", group_by="none").json()
        assert len(Weighing.loaded) == 2
        assert answer["hits"]
        assert {hit["stages"]["weighing"]["weight"] for hit in answer["hits"]} == {7.5}
        assert answer["timings_ms"].keys() >= {"weighing", "templates"}
        assert weighing not in ask(client, rerank=["heavy"]).text + client.get("/v1/stats").text
        assert ask(client, rerank=["weighing"]).status_code == 400
        moved = ask(client, refine="box-search", top=1).json()["hits"][0]
        assert moved["stages"]["box-search"].keys() == {"box_before", "score_before", "score"}
    wanted = gallery.search("red", top=1, refine="box-search:step=0.3").hits[0]
    assert moved["box"] == wanted.to_json()["box"] != gallery.search("red", top=1, refine="box-search").hits[0].box


def test_the_offer_is_told_without_what_the_model_cannot_do(gallery: Gallery, weighing: str) -> None:
    app = create_app(ServiceSettings(stages=(f"heavy=weighing:{weighing}",)), gallery=gallery)
    with running(app) as url, Client(url) as client:
        info = client.info()
    offered = [(stage.kind, stage.name) for stage in info.stages]
    assert {("rerank", "heavy"), ("refine", "heavy"), ("rerank", "templates"), ("mask", "stored")} <= set(offered)
    assert offered == sorted(offered)
    assert info.stages[0].summary
    assert {stage.name for stage in info.stages if stage.needs_expression} >= {"templates", "box-search"}
    assert info.stage_seconds == 10
    offer = StageOffer((f"heavy=weighing:{weighing}",))
    assert {stage.name for stage, _ in offer.usable(GridColourModel())} == {
        entry.name for entry in registry.list_stages() if not entry.weights
    } - {"templates", "box-search"}
    with pytest.raises(UsageError, match="colour-crop"):
        offer.check(GridColourModel())


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (("weigh",), "no stage named 'weigh'"),
        (("weighing:/a,colour=2",), "no option 'colour'"),
        (("weighing:/a", "weighing:/b"), "ALIAS=NAME"),
    ],
)
def test_an_offer_that_cannot_be_is_refused_at_the_start(
    weighing: str, stages: tuple[str, ...], told: str, gallery: Gallery
) -> None:
    with pytest.raises(UsageError, match=told):
        StageOffer(stages)
    with pytest.raises(UsageError, match=told):
        serve(ServiceSettings(stages=stages, db=gallery.db))


def test_a_stage_whose_weights_are_not_there_stops_the_start(gallery: Gallery, weighing: str, tmp_path: Path) -> None:
    app = create_app(ServiceSettings(stages=(f"weighing:{tmp_path}",)), gallery=gallery)
    with pytest.raises(WeightsMissingError, match="Put it there"), TestClient(app):
        pass


def test_the_offer_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIR_STAGES", '["sam", "outline=vatex:runs/vatex"]')
    assert ServiceSettings().stages == ("sam", "outline=vatex:runs/vatex")
