from reir.indexer.plan import MANY_OF_ONE_SIZE, KnownContents, keep_unreadable, make_plan, make_tasks
from reir.indexer.walk import FoundFile
from reir.store import KnownFile


def known(
    number: int, *, size: int = 10, time: int = 1, content: str | None = "", status: str = "indexed"
) -> KnownFile:
    return KnownFile(number, size, time, f"hash{number}" if content == "" else content, status, None)  # type: ignore[arg-type]


def test_files_of_folders_that_cannot_be_listed_have_not_vanished() -> None:
    plan = make_plan([], {"shut/a.png": known(1), "shut/b.png": known(2, status="failed"), "shutter/c.png": known(3)})
    keep_unreadable(plan, ["shut"])
    assert list(plan.vanished) == ["shutter/c.png"]
    assert (plan.unchanged, plan.failed_before) == (1, 1)
    keep_unreadable(plan, [""])
    assert not plan.vanished


def test_most_vanished_is_more_than_half() -> None:
    files = {f"{n}.png": known(n) for n in range(4)}
    found = [FoundFile(path, 10, 1) for path in files]
    assert not make_plan(found[2:], files).most_vanished
    assert make_plan(found[3:], files).most_vanished
    assert not make_plan([], {}).most_vanished


def test_only_files_of_a_known_size_are_compared_before_they_are_decoded() -> None:
    files = {"a.png": known(1, size=10), "b.png": known(2, size=20), "broken.png": known(3, size=30, status="failed")}
    found = [FoundFile("a.png", 20, 9), FoundFile("new.png", 30, 1), FoundFile("new2.png", 20, 1)]
    plan = make_plan(found, files)
    tasks = list(make_tasks(plan.candidates, files, "/root", max_side=64))
    assert [task.number for task in tasks] == [0, 1, 2]
    assert [task.file for task in tasks] == ["/root/a.png", "/root/new.png", "/root/new2.png"]
    assert [set(task.known_hashes) for task in tasks] == [{"hash1", "hash2"}, set(), {"hash2"}]
    rebuilt = make_tasks(plan.candidates, files, "/root", max_side=64, rebuild=True)
    assert all(not task.known_hashes for task in rebuilt)


def test_tasks_stay_small_when_thousands_of_files_have_one_size() -> None:
    files = {f"{n}.bmp": known(n) for n in range(MANY_OF_ONE_SIZE + 1)}
    plan = make_plan([FoundFile("new.bmp", 10, 1), FoundFile("3.bmp", 10, 99)], files)
    tasks = list(make_tasks(plan.candidates, files, "/root", max_side=64))
    assert [set(task.known_hashes) for task in tasks] == [set(), {"hash3"}]


def test_a_vanished_picture_is_taken_once() -> None:
    files = {"a.png": known(1, content="same"), "b.png": known(2, content="same"), "c.png": known(3, content="same")}
    plan = make_plan([FoundFile("c.png", 10, 1)], files)
    contents = KnownContents(files, plan)
    first = contents.take_vanished("same", "new/b.png")
    assert first is not None
    assert first.image_id == 2
    second = contents.take_vanished("same", "new/z.png")
    assert second is not None
    assert second.image_id == 1
    assert contents.take_vanished("same", "new/y.png") is None
    assert not plan.vanished
