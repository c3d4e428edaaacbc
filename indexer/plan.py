"""What has to be done for each file: decided from names, sizes and times alone, before anything is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reir.indexer.decode_worker import Task
from reir.indexer.walk import FoundFile

if TYPE_CHECKING:
    from reir.store import KnownFile

MANY_OF_ONE_SIZE = 64
"""Beyond this many known files of one size (uncompressed formats) a new file of that size is simply decoded."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that has to be opened: new (``known`` is None), or its size or time is not what the index knows."""

    file: FoundFile
    known: KnownFile | None


@dataclass(slots=True)
class Plan:
    """The files of a gallery, sorted into those to open, those to leave alone, and those that are not there.

    ``candidates`` in the order of the walk; ``renamed`` are unchanged files that get another external id;
    ``vanished`` are live pictures of the index whose files were not found, by path.
    """

    candidates: list[Candidate] = field(default_factory=list)
    renamed: list[Candidate] = field(default_factory=list)
    vanished: dict[str, KnownFile] = field(default_factory=dict)
    known: int = 0
    unchanged: int = 0
    failed_before: int = 0

    @property
    def most_vanished(self) -> bool:
        """Whether more than half of the known files are gone, which looks like a missing disk, not like tidying up."""
        return 2 * len(self.vanished) > self.known


def make_plan(
    found: Iterable[FoundFile],
    known: Mapping[str, KnownFile],
    *,
    verify: bool = False,
    external_ids: Mapping[str, str] | None = None,
) -> Plan:
    """The plan for the files that were found, against those the index knows.

    A known file with the same size and time is left alone, also when it could not be read the last time: it is not
    tried again until it changes. Only failures that left no hash (no permission, a missing package) are tried again.
    ``verify`` opens every file.
    """
    plan = Plan(known=len(known))
    vanished = dict(known)
    for file in found:
        before = vanished.pop(file.path, None)
        if before is None:
            plan.candidates.append(Candidate(file, None))
        elif verify or (before.size, before.mtime_ns) != (file.size, file.mtime_ns) or before.content_hash is None:
            plan.candidates.append(Candidate(file, before))
        else:
            if external_ids is not None and external_ids.get(file.path, before.external_id) != before.external_id:
                plan.renamed.append(Candidate(file, before))
            if before.status == "failed":
                plan.failed_before += 1
            else:
                plan.unchanged += 1
    plan.vanished = vanished
    return plan


def keep_unreadable(plan: Plan, folders: Collection[str]) -> None:
    """Take files in folders that could not be listed out of the vanished ones: nobody knows whether they are gone."""
    if not folders:
        return
    prefixes = tuple(f"{folder}/" if folder else "" for folder in folders)
    for path in [path for path in plan.vanished if path.startswith(prefixes)]:
        known = plan.vanished.pop(path)
        if known.status == "failed":
            plan.failed_before += 1
        else:
            plan.unchanged += 1


def make_tasks(
    candidates: Iterable[Candidate], known: Mapping[str, KnownFile], root: str, *, max_side: int, rebuild: bool = False
) -> Iterator[Task]:
    """The decoding tasks of the candidates, numbered from 0.

    A file is only hashed, and not decoded, if it turns out to have the content of a known file of the same size: its
    own earlier content, or that of a file which it is a copy of or was moved from. With ``rebuild`` all are decoded.
    """
    by_size: dict[int, set[str]] = {}
    if not rebuild:
        for facts in known.values():
            if facts.status == "indexed" and facts.content_hash is not None:
                by_size.setdefault(facts.size, set()).add(facts.content_hash)
    nothing: frozenset[str] = frozenset()
    shared = {size: frozenset(hashes) for size, hashes in by_size.items() if len(hashes) <= MANY_OF_ONE_SIZE}
    for number, (file, before) in enumerate((candidate.file, candidate.known) for candidate in candidates):
        hashes = shared.get(file.size, nothing)
        if before is not None and before.content_hash is not None and not rebuild:
            hashes = hashes | {before.content_hash}
        yield Task(number, f"{root}/{file.path}", hashes, max_side)


class KnownContents:
    """What the index holds by content: ``indexed`` pictures by hash, and which of them have vanished."""

    def __init__(self, known: Mapping[str, KnownFile], plan: Plan) -> None:
        self.indexed: dict[str, KnownFile] = {}
        self._plan = plan
        self._vanished: dict[str, list[str]] = {}
        for path, facts in known.items():
            if facts.status == "indexed" and facts.content_hash is not None:
                self.indexed.setdefault(facts.content_hash, facts)
                if path in plan.vanished:
                    self._vanished.setdefault(facts.content_hash, []).append(path)

    def take_vanished(self, content: str, path: str) -> KnownFile | None:
        """A vanished picture with this content, which is then not vanished any more; of several, one of this name."""
        paths = self._vanished.get(content)
        if not paths:
            return None
        name = path.rpartition("/")[2]
        old = next((old for old in paths if old.rpartition("/")[2] == name), paths[0])
        paths.remove(old)
        return self._plan.vanished.pop(old)
