import json
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from reir import Gallery
from reir.indexer import IndexReport, ProgressState
from reir.server.errors import ServiceError
from reir.server.files import GalleryFiles
from reir.server.job_book import Job, JobBook
from reir.server.jobs import Jobs, Upload
from reir.store import Index
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import paint
from tests.server.serving import ADMINISTRATOR, finished, index_all, serving

QUADRANTS = ("red", "green", "blue", "yellow")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    paint(root / "first.png", QUADRANTS)
    index_all(root)
    return root


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    with serving(root) as client:
        client.headers.update(ADMINISTRATOR)
        client.app.state.service.jobs._workers = 0  # type: ignore[attr-defined]  # starting a process takes a second
        yield client


def found(client: TestClient, **filters: object) -> set[str]:
    answer = client.post("/v1/search", json={"expression": "red", "top": 100, "filter": filters or None})
    return {hit["path"] for hit in answer.json()["hits"]}


def test_pictures_that_lie_in_the_gallery_are_added(client: TestClient, root: Path) -> None:
    paint(root / "new" / "a.png", ("red", "red", "blue", "yellow"))
    paint(root / "new" / "b.png", ("red", "blue", "blue", "yellow"))
    (root / "new" / "broken.png").write_bytes(b"no picture")
    body = {
        "paths": ["new/a.png", "new/broken.png", "first.png"],
        "external_ids": {"new/a.png": "asset-1", "first.png": "asset-0"},
    }
    answer = client.post("/v1/images", json=body)
    assert answer.status_code == 202
    assert answer.json()["state"] == "waiting"
    job = finished(client, client.get(answer.headers["location"]).json())
    assert (job["state"], job["kind"], job["message"]) == ("done", "add", None)
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert {name: job["counts"][name] for name in ("new", "unchanged", "failed")} == {
        "new": 1,
        "unchanged": 1,
        "failed": 1,
    }
    fates = {picture["path"]: (picture["status"], picture["cause"]) for picture in job["pictures"]}
    assert fates["new/a.png"] == fates["first.png"] == ("indexed", None)
    assert fates["new/broken.png"] == ("failed", "not a picture, or its header is damaged")
    # Seen at once, by the caller's own ids, and without what was not named.
    assert found(client) == {"first.png", "new/a.png"}
    assert found(client, external_ids=["asset-1"]) == {"new/a.png"}
    assert found(client, external_ids=["asset-0"]) == {"first.png"}
    assert job["snapshot"] == client.get("/v1/stats").json()["snapshot"]


def test_a_folder_is_added_whole(client: TestClient, root: Path) -> None:
    for number in range(3):
        paint(root / "new" / f"{number}" / "a.png", QUADRANTS, (82 + 2 * number, 60))
    job = finished(client, client.post("/v1/images", json={"paths": ["new"]}).json())
    assert (job["state"], job["counts"]["new"], job["pictures"]) == ("done", 3, [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"paths": []}, 422),
        ({}, 422),
        ({"paths": "first.png"}, 422),
        ({"paths": ["first.png"], "url": "http://127.0.0.1/"}, 422),
        ({"paths": ["first.png"], "external_ids": {"other.png": "x"}}, 422),
        ({"paths": ["first.png"], "external_ids": {"first.png": ""}}, 422),
        ({"paths": ["first.png"] * 1001}, 422),
        ({"paths": ["missing.png"]}, 400),
    ],
)
def test_requests_that_cannot_be_meant(client: TestClient, body: object, status: int) -> None:
    assert client.post("/v1/images", json=body).status_code == status


def test_uploads_are_kept_under_safe_names_and_overwrite_nothing(client: TestClient, root: Path) -> None:
    content = paint(root.parent / "sent.png", QUADRANTS, (90, 60)).read_bytes()
    other = paint(root.parent / "other.png", QUADRANTS, (96, 60)).read_bytes()
    files = [
        ("images", ("../my photo.PNG", content)),
        ("images", ("my photo.png", other)),
        ("images", ("x.jpg", b"no")),
    ]
    job = finished(client, client.post("/v1/images", files=files).json())
    assert (job["state"], job["counts"]["new"], job["counts"]["failed"]) == ("done", 2, 1)
    fates = {picture["name"]: picture for picture in job["pictures"]}
    assert fates["../my photo.PNG"]["path"] == "uploads/my_photo.png"
    assert fates["my photo.png"]["path"] == "uploads/my_photo-2.png"
    assert (root / "uploads" / "my_photo.png").read_bytes() == content
    assert (root / "uploads" / "my_photo-2.png").read_bytes() == other
    assert fates["x.jpg"] == {
        "path": None,
        "name": "x.jpg",
        "image_id": None,
        "status": "failed",
        "cause": "not a picture, or its header is damaged",
    }
    assert {path.name for path in (root / "uploads").iterdir()} == {"my_photo.png", "my_photo-2.png"}
    thumbnail = client.get(f"/v1/images/{fates['my photo.png']['image_id']}/thumbnail")
    assert thumbnail.status_code == 200


def test_uploads_go_where_they_are_wanted(client: TestClient, root: Path) -> None:
    content = (root / "first.png").read_bytes()
    answer = client.post("/v1/images", data={"folder": "trips/2024"}, files={"images": ("a.png", content)})
    job = finished(client, answer.json())
    assert job["pictures"][0]["path"] == "trips/2024/a.png"
    # The same content as first.png: both are pictures, with one set of instances.
    assert job["counts"]["duplicates"] == 1
    assert found(client, path_prefix="trips") == {"trips/2024/a.png"}


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"files": {"images": ("a.txt", b"x")}}, 415),
        ({"files": {"images": ("", b"x")}}, 422),
        ({"files": {"pictures": ("a.png", b"x")}}, 422),
        ({"files": {"images": ("a.png", b"x")}, "data": {"other": "x"}}, 422),
        ({"files": {"images": ("a.png", b"x")}, "data": {"folder": ""}}, 422),
        ({"files": [("images", (f"{n}.png", b"x")) for n in range(101)]}, 400),
        ({"data": {"images": "http://127.0.0.1/x.png"}}, 415),
        ({"content": b"paths", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
    ],
)
def test_uploads_that_cannot_be_meant(client: TestClient, root: Path, options: dict[str, object], status: int) -> None:
    answer = client.post("/v1/images", **options)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    assert client.get("/v1/jobs").json() == {"jobs": []}
    assert not (root / "uploads").exists()


def test_a_removed_picture_is_gone_and_its_file_stays(client: TestClient, root: Path) -> None:
    answer = client.delete("/v1/images/1")
    assert answer.status_code == 202
    job = finished(client, answer.json())
    assert (job["state"], job["kind"], job["image_id"], job["counts"]) == ("done", "remove", 1, {"removed": 1})
    assert (root / "first.png").exists()
    for url in ("/v1/images/1", "/v1/images/1/thumbnail"):
        assert client.get(url).status_code == 404
    assert client.delete("/v1/images/1").status_code == 404
    assert found(client) == set()
    # Added again, it gets its id back.
    job = finished(client, client.post("/v1/images", json={"paths": ["first.png"]}).json())
    assert job["pictures"][0]["image_id"] == 1


@pytest.mark.parametrize("first", [True, False])
def test_of_two_pictures_with_one_content_only_the_one_that_is_named_goes(
    client: TestClient, root: Path, first: bool
) -> None:
    (root / "copy.png").write_bytes((root / "first.png").read_bytes())
    job = finished(client, client.post("/v1/images", json={"paths": ["copy.png"]}).json())
    copy = job["pictures"][0]["image_id"]
    gone, left = (1, copy) if first else (copy, 1)
    finished(client, client.delete(f"/v1/images/{gone}").json())
    assert client.get(f"/v1/images/{gone}").status_code == 404
    picture = client.get(f"/v1/images/{left}").json()
    assert len(picture["instances"]) == 4
    assert found(client) == {picture["path"]}
    instance = client.get(f"/v1/instances/{picture['instances'][0]['instance_id']}").json()
    assert (instance["image_id"], instance["path"]) == (left, picture["path"])
    finished(client, client.delete(f"/v1/images/{left}").json())
    assert client.get(f"/v1/instances/{picture['instances'][0]['instance_id']}").status_code == 410
    assert found(client) == set()


def test_a_folder_with_the_name_of_a_removed_picture_stays(client: TestClient, root: Path) -> None:
    """Where a picture lay there is now a folder; the picture's id does not stand for the folder's pictures."""
    (root / "first.png").unlink()
    paint(root / "first.png" / "inner.png", ("red", "red", "red", "blue"))
    finished(client, client.post("/v1/images", json={"paths": ["first.png/inner.png"]}).json())
    job = finished(client, client.delete("/v1/images/1").json())
    assert job["counts"] == {"removed": 1}
    assert found(client) == {"first.png/inner.png"}


def test_jobs_are_listed_newest_first(client: TestClient) -> None:
    ended = [finished(client, client.post("/v1/images", json={"paths": ["first.png"]}).json()) for _ in range(3)]
    listed = client.get("/v1/jobs").json()["jobs"]
    assert [job["job_id"] for job in listed] == [job["job_id"] for job in reversed(ended)]
    assert [job["job_id"] for job in client.get("/v1/jobs?limit=1").json()["jobs"]] == [ended[-1]["job_id"]]
    for limit in (0, 201, "x"):
        assert client.get(f"/v1/jobs?limit={limit}").status_code == 422


@pytest.mark.parametrize("job_id", ["x", "0" * 24, "..%2f..%2findex", "0" * 24 + "%0a", "%00", "é" * 24])
def test_unknown_jobs(client: TestClient, job_id: str) -> None:
    assert client.get(f"/v1/jobs/{job_id}").status_code == 404


def test_a_job_waits_for_another_writer(client: TestClient, root: Path) -> None:
    index = Index.open(root / ".reir")
    with index.writer():
        answers = [client.post("/v1/images", json={"paths": ["first.png"]}), client.delete("/v1/images/1")]
        time.sleep(0.5)
        job = client.get(answers[0].headers["location"]).json()
        assert job["state"] == "waiting"
        assert job["message"].startswith("the index is being written by process")
        assert client.get(answers[1].headers["location"]).json()["state"] == "waiting"
        assert client.get("/v1/images/1").status_code == 200
    assert [finished(client, answer.json())["state"] for answer in answers] == ["done", "done"]
    assert client.get("/v1/images/1").status_code == 404


def test_uploads_that_waited_are_kept_once(client: TestClient, root: Path) -> None:
    content = paint(root.parent / "sent.png", QUADRANTS, (90, 60)).read_bytes()
    index = Index.open(root / ".reir")
    with index.writer():
        answer = client.post("/v1/images", files={"images": ("a.png", content)})
        while not (root / "uploads" / "a.png").exists():
            time.sleep(0.02)
        time.sleep(0.4)
    job = finished(client, answer.json())
    assert (job["state"], job["counts"]["new"]) == ("done", 1)
    assert [path.name for path in (root / "uploads").iterdir()] == ["a.png"]


def test_two_services_on_one_index_know_of_each_others_jobs(root: Path) -> None:
    for number in range(6):
        paint(root / f"{number}.png", QUADRANTS, (90 + 2 * number, 60))
    with serving(root) as one, serving(root) as two:
        for client in (one, two):
            client.headers.update(ADMINISTRATOR)
            client.app.state.service.jobs._workers = 0  # type: ignore[attr-defined]
        jobs = [
            (one, two)[number % 2].post("/v1/images", json={"paths": [f"{number}.png"]}).json() for number in range(6)
        ]
        ended = [finished((two, one)[number % 2], job) for number, job in enumerate(jobs)]
        assert [job["state"] for job in ended] == ["done"] * 6
        for client in (one, two):
            assert {job["job_id"] for job in client.get("/v1/jobs").json()["jobs"]} == {job["job_id"] for job in jobs}
            assert found(client) == {"first.png", *(f"{number}.png" for number in range(6))}


class GatedGallery(Gallery):
    """A gallery whose additions wait for a gate, telling their progress meanwhile."""

    gate: threading.Event
    entered: threading.Event

    def add(self, paths: object, *, progress: object = None, **options: object) -> IndexReport:  # type: ignore[override]
        self.entered.set()
        while not self.gate.wait(0.01):
            assert callable(progress)
            progress(ProgressState("indexing", 1, 2))
        return super().add(paths, progress=progress, **options)  # type: ignore[arg-type]


@pytest.fixture
def gallery(root: Path) -> Iterator[GatedGallery]:
    with GatedGallery.open(root / ".reir", model=GridColourModel()) as gallery:
        gallery.gate, gallery.entered = threading.Event(), threading.Event()
        yield gallery


def jobs_of(gallery: Gallery, **options: object) -> Jobs:
    book = JobBook(gallery.db / "jobs", kept=3)
    return Jobs(gallery, GalleryFiles(gallery.root, gallery.db), book, **options)  # type: ignore[arg-type]


def ended(jobs: Jobs, job: Job) -> Job:
    until = time.monotonic() + 20
    while True:
        now = jobs.get(job.job_id)
        assert now is not None
        if now.ended:
            return now
        assert time.monotonic() < until, now
        time.sleep(0.01)


def test_too_many_waiting_jobs_are_refused(gallery: GatedGallery) -> None:
    jobs = jobs_of(gallery, most_waiting=2)
    running = jobs.add(["first.png"])
    assert gallery.entered.wait(10)
    waiting = [jobs.add(["first.png"]), jobs.remove(99)]
    for ask in (lambda: jobs.add(["first.png"]), lambda: jobs.remove(1), lambda: jobs.upload([], "uploads")):
        with pytest.raises(ServiceError) as refused:
            ask()
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        assert "Retry-After" in (refused.value.headers or {})
    assert not (gallery.root / "uploads").exists()
    gallery.gate.set()
    assert [ended(jobs, job).state for job in (running, *waiting)] == ["done"] * 3
    assert ended(jobs, jobs.add(["first.png"])).state == "done"
    jobs.close()


def test_progress_is_noted(gallery: GatedGallery) -> None:
    jobs = jobs_of(gallery)
    job = jobs.add(["first.png"])
    until = time.monotonic() + 10
    while (now := JobBook(gallery.db / "jobs").get(job.job_id)) is None or now.progress is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert (now.state, now.progress) == ("running", {"phase": "indexing", "done": 1, "total": 2, "failed": 0})
    gallery.gate.set()
    assert ended(jobs, job).progress is None
    jobs.close()


def test_stopping_ends_the_running_job_and_gives_up_the_waiting_ones(gallery: GatedGallery) -> None:
    jobs = jobs_of(gallery)
    running = jobs.add(["first.png"])
    assert gallery.entered.wait(10)
    with (gallery.root / "first.png").open("rb") as file:
        waiting = jobs.upload([Upload("a.png", file)], "uploads")
    began = time.monotonic()
    jobs.close()
    jobs.close()
    assert time.monotonic() - began < 5
    later = jobs_of(gallery)
    for job in (running, waiting):
        found = later.get(job.job_id)
        assert found is not None
        assert (found.state, found.message is not None and found.message.startswith("interrupted")) == ("failed", True)
    assert list((gallery.root / "uploads").iterdir()) == []
    with pytest.raises(ServiceError):
        jobs.add(["first.png"])
    assert not list((gallery.db / "jobs" / "workers").iterdir())


def test_a_job_gives_up_on_a_writer_that_does_not_end(gallery: GatedGallery, root: Path) -> None:
    gallery.gate.set()
    jobs = jobs_of(gallery, patience=0.5)
    with Index.open(root / ".reir").writer():
        job = ended(jobs, jobs.add(["first.png"]))
    assert job.state == "failed"
    assert job.message is not None
    assert "is being written by process" in job.message
    assert ended(jobs, jobs.add(["first.png"])).state == "done"
    jobs.close()


def test_uploads_that_were_kept_and_not_indexed_are_named(gallery: GatedGallery, root: Path) -> None:
    gallery.gate.set()
    jobs = jobs_of(gallery, patience=0.2)
    with Index.open(root / ".reir").writer(), (root / "first.png").open("rb") as file:
        job = ended(jobs, jobs.upload([Upload("a.png", file)], "uploads"))
    assert job.state == "failed"
    assert [(picture["path"], picture["status"]) for picture in job.pictures] == [("uploads/a.png", "failed")]
    job = ended(jobs, jobs.add(["uploads/a.png"]))
    assert [(picture["path"], picture["status"]) for picture in job.pictures] == [("uploads/a.png", "indexed")]
    jobs.close()


def test_only_the_newest_jobs_are_kept(gallery: GatedGallery) -> None:
    gallery.gate.set()
    jobs = jobs_of(gallery)
    made = [ended(jobs, jobs.add(["first.png"])) for _ in range(6)]
    jobs.close()
    assert [job.job_id for job in jobs.newest(100)] == [job.job_id for job in reversed(made[-3:])]
    assert not list((gallery.db / "jobs").glob("*.new"))


DIES = """
import os, sys
from pathlib import Path
from reir.server.job_book import JobBook
book = JobBook(Path(sys.argv[1]))
for state in ("waiting", "running", "done"):
    job = book.new("add", staging="uploads/.incoming-x")
    if state != "waiting":
        job.run()
    if state == "done":
        job.end()
    book.save(job)
    print(job.job_id, flush=True)
sys.stdin.readline()
os._exit(1)
"""


def test_jobs_of_a_process_that_died_are_shown_as_failed(gallery: GatedGallery) -> None:
    gallery.gate.set()
    staging = gallery.root / "uploads" / ".incoming-x"
    staging.mkdir(parents=True)
    (staging / "0000.png").write_bytes(b"half a picture")
    folder = gallery.db / "jobs"
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ids = [process.stdout.readline().strip() for _ in range(3)]
    jobs = jobs_of(gallery)

    def states() -> list[str]:
        return [job.state for job in (jobs.get(job_id) for job_id in ids) if job is not None]

    assert states() == ["waiting", "running", "done"]
    assert len(list(jobs._book.abandoned())) == 0
    process.stdin.write("now\n")
    process.stdin.flush()
    process.wait(10)
    assert states() == ["failed", "failed", "done"]
    job = jobs.get(ids[1])
    assert job is not None
    assert job.message is not None
    assert job.message.startswith("interrupted")
    # The next one to work clears up after it.
    assert ended(jobs, jobs.add(["first.png"])).state == "done"
    assert not staging.exists()
    assert json.loads((folder / f"{ids[1]}.json").read_text())["state"] == "failed"
    assert len(list((folder / "workers").iterdir())) == 1
    jobs.close()


def test_hostile_uploads_are_refused_by_what_they_say_of_themselves(root: Path) -> None:
    """With decoding in processes, as the service does it."""
    sound = paint(root.parent / "sent.png", QUADRANTS, (90, 60)).read_bytes()
    header = b"IHDR" + (200_000).to_bytes(4, "big") * 2 + sound[24:29]
    bomb = sound[:12] + header + zlib.crc32(header).to_bytes(4, "big") + sound[33:]
    files = [("images", ("bomb.png", bomb)), ("images", ("cut.png", sound[:60])), ("images", ("sound.jpg", sound))]
    with serving(root) as client:
        client.headers.update(ADMINISTRATOR)
        job = finished(client, client.post("/v1/images", files=files).json())
        assert (job["state"], job["counts"]["new"], job["counts"]["failed"]) == ("done", 1, 2)
        causes = {picture["name"]: picture["cause"] for picture in job["pictures"]}
        assert "megapixels" in causes["bomb.png"]
        assert causes["cut.png"]
        assert causes["sound.jpg"] is None
    assert [path.name for path in (root / "uploads").iterdir()] == ["sound.jpg"]


def test_a_read_only_index_takes_no_jobs(client: TestClient, root: Path) -> None:
    (root / ".reir" / "jobs").write_text("in the way of the folder")
    answer = client.delete("/v1/images/1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert client.get("/v1/jobs").json() == {"jobs": []}
    assert client.get("/v1/images/1").status_code == 200
