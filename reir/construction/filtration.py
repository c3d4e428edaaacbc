"""``reir data filter`` as a library: language filter, search for rivals, confirmation, and what is written of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reir.construction.asking import Asked, Progress
from reir.construction.confirm import ConfirmStep
from reir.construction.filtering import FilterStep
from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture, AnnotatedSet
from reir.construction.rivals import Flag, RivalRule, find_rivals, find_twins
from reir.construction.split import Split
from reir.construction.texts import subject_warning
from reir.construction.writing import write_lines, write_reircoco
from reir.protocols import Model

if TYPE_CHECKING:
    from reir.store import Snapshot

Policy = Literal["keep", "confirmed", "drop"]
"""What happens to flagged expressions: they stay, flagged; those go that are certain (the words of another instance, or
a rival that a model confirmed); all go but those that a model refuted."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one instance's descriptions, and by which step."""

    instance_id: int
    file_name: str
    step: Literal["language", "rivals"]
    before: tuple[str, ...]
    after: tuple[str, ...]
    detail: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The change as a line of ``changes.jsonl``."""
        return {
            "annotation_id": self.instance_id,
            "file_name": self.file_name,
            "step": self.step,
            "before": list(self.before),
            "after": list(self.after),
            **self.detail,
        }


def apply_filter(data: AnnotatedSet, asked: Asked) -> tuple[AnnotatedSet, list[Change]]:
    """The set with what the language filter lets stand, and every change it made.

    An instance that the filter failed on has no expressions, for nothing is known of theirs.
    """
    changes: list[Change] = []

    def filtered(picture: AnnotatedPicture, instance: AnnotatedInstance) -> AnnotatedInstance:
        if not instance.texts:
            return instance
        if (result := asked.results.get(instance.id)) is None:
            cause = asked.failed.get(instance.id, "not asked about")
            detail: dict[str, Any] = {"failed": cause}
            done = replace(instance, texts=(), quality="failed", cause=f"filter: {cause}", warnings=())
        else:
            texts = tuple(phrase["text"] for phrase in result["phrases"])
            detail = {"phrases": result["phrases"], "dropped": result["dropped"]}
            said = (subject_warning(text, instance.category) for text in texts)
            done = replace(instance, texts=texts, warnings=tuple(warning for warning in said if warning is not None))
        if done.texts != instance.texts:
            changes.append(Change(instance.id, picture.file_name, "language", instance.texts, done.texts, detail))
        return done

    return _mapped(data, filtered), changes


def drop_flagged(data: AnnotatedSet, flags: Sequence[Flag], policy: Policy) -> tuple[AnnotatedSet, list[Change]]:
    """The set without the flagged expressions that the policy gives up, and what was dropped."""
    against = {(flag.instance_id, flag.expression): flag for flag in flags if _goes(flag, policy)}
    changes: list[Change] = []

    def cleared(picture: AnnotatedPicture, instance: AnnotatedInstance) -> AnnotatedInstance:
        kept = tuple(text for text in instance.texts if (instance.id, text) not in against)
        if kept == instance.texts:
            return instance
        gone = [against[instance.id, text] for text in instance.texts if text not in kept]
        detail = {"dropped": [{"text": flag.expression, "because": flag.kind} for flag in gone]}
        changes.append(Change(instance.id, picture.file_name, "rivals", instance.texts, kept, detail))
        return replace(instance, texts=kept)

    return _mapped(data, cleared), changes


def _goes(flag: Flag, policy: Policy) -> bool:
    if policy == "keep" or flag.kind == "unseen":
        return False
    certain = flag.kind == "twin" or flag.confirmed is True
    return certain if policy == "confirmed" else flag.confirmed is not False


def _mapped(
    data: AnnotatedSet, change: Callable[[AnnotatedPicture, AnnotatedInstance], AnnotatedInstance]
) -> AnnotatedSet:
    pictures = tuple(
        replace(picture, instances=tuple(change(picture, one) for one in picture.instances))
        for picture in data.pictures
    )
    return replace(data, pictures=pictures)


class Filtration:
    """A data set on its way through the filters; each method is one of them, and `write` comes last.

    ``failed`` are the instances that the language filter could not decide; they have no expressions any more.
    """

    def __init__(self, data: AnnotatedSet) -> None:
        self.data = data
        self.flags: list[Flag] = []
        self.failed: dict[int, str] = {}
        self._changes: list[Change] = []
        self._verdicts: dict[str, int] = {}
        self._info: dict[str, Any] = {"source": data.path.name}

    def take_phrases(self, step: FilterStep, asked: Asked) -> None:
        """Let stand what the language filter has decided."""
        self.data, changes = apply_filter(self.data, asked)
        self._changes += changes
        self.failed |= asked.failed
        self._verdicts = count_verdicts(asked)
        self._info["filter"] = dict(step.settings)

    def search(
        self, snapshot: Snapshot | None, model: Model | None, rule: RivalRule, progress: Progress | None = None
    ) -> None:
        """Flag what other instances have in the same words, and with an index what they answer to as well.

        Raises:
            ModelMismatchError: the index was made by another model.
            PicturesMissingError: the index lacks pictures of the data set.
        """
        self.flags = find_twins(self.data.pictures)
        if snapshot is None or model is None:
            return
        known = {(flag.instance_id, flag.expression) for flag in self.flags}
        found = find_rivals(snapshot, model, self.data, rule=rule, progress=progress)
        self.flags += [flag for flag in found if (flag.instance_id, flag.expression) not in known]
        name = f"{model.identity.name} ({model.identity.fingerprint[:12]}), snapshot {snapshot.number}"
        self._info["rivals"] = {"index": name, **asdict(rule)}

    def take_looks(self, step: ConfirmStep, asked: Asked) -> None:
        """Take in what a model that saw the rivals said."""
        self.flags = step.confirmed(asked)
        self._info["confirm"] = dict(step.settings)

    def write(self, out: Path, policy: Policy = "confirmed", split: Split | None = None) -> Filtered:
        """Drop what the policy gives up, and write the data set with changes and flags; see `write_filtered`."""
        data, dropped = drop_flagged(self.data, self.flags, policy)
        return write_filtered(
            out,
            data,
            changes=[*self._changes, *dropped],
            flags=self.flags,
            split=split,
            info=self._info | {"policy": policy},
            verdicts=self._verdicts,
        )


@dataclass(frozen=True, slots=True)
class Filtered:
    """What the filter has written: the files, and how many of what."""

    files: tuple[Path, ...]
    pictures: int
    instances: int
    expressions: int
    verdicts: Mapping[str, int]
    flags: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The summary that the command prints."""
        return {
            "files": [str(path) for path in self.files],
            "pictures": self.pictures,
            "instances": self.instances,
            "expressions": self.expressions,
            "verdicts": dict(self.verdicts),
            "flags": dict(self.flags),
        }


def write_filtered(
    out: Path,
    data: AnnotatedSet,
    *,
    changes: Sequence[Change] = (),
    flags: Sequence[Flag] = (),
    split: Split | None = None,
    info: Mapping[str, Any] | None = None,
    verdicts: Mapping[str, int] | None = None,
) -> Filtered:
    """Write the set in REIRCOCO's layout, with the changes and flags beside it.

    ``out`` gets ``expressions.json``, or ``train.json`` and ``test.json`` with a split; ``changes.jsonl`` and
    ``flags.jsonl``. A file holds the instances that have expressions. Image ids number its entries, so those of
    two files may be equal; ``source_image_id`` is the picture's.
    """
    whole = [(picture, one) for picture in data.pictures for one in picture.instances if one.texts]
    parts = {"expressions": whole}
    if split is not None and split.wanted:
        parts = {
            "train": [entry for entry in whole if not split.is_test(entry[0])],
            "test": [entry for entry in whole if split.is_test(entry[0])],
        }
    remaining: dict[int, list[dict[str, Any]]] = {}
    texts = {one.id: set(one.texts) for _, one in whole}
    for flag in flags:
        if flag.expression in texts.get(flag.instance_id, ()):
            remaining.setdefault(flag.instance_id, []).append(flag.to_json())
    files = []
    for name, entries in parts.items():
        files.append(out / f"{name}.json")
        write_reircoco(files[-1], data, entries, {"part": name, **(info or {})}, remaining)
    write_lines(out / "changes.jsonl", (change.to_json() for change in changes))
    write_lines(out / "flags.jsonl", (flag.to_json() for flag in flags))
    return Filtered(
        (*files, out / "changes.jsonl", out / "flags.jsonl"),
        len({picture.file_name for picture, _ in whole}),
        len(whole),
        sum(len(one.texts) for _, one in whole),
        dict(verdicts or {}),
        count_flags(flags),
    )


def count_verdicts(asked: Asked) -> dict[str, int]:
    """How many phrases were kept, improved, merged and reverted, and how many candidates were dropped."""
    counts = Counter(phrase["verdict"] for result in asked.results.values() for phrase in result["phrases"])
    counts["dropped"] = sum(len(result["dropped"]) for result in asked.results.values())
    return dict(counts)


def count_flags(flags: Sequence[Flag]) -> dict[str, int]:
    """How many expressions were flagged, by kind; of the rivals, how many a model confirmed and refuted."""
    counts: Counter[str] = Counter(flag.kind for flag in flags)
    rivals = [flag for flag in flags if flag.kind == "rival"]
    asked = [flag for flag in rivals if flag.confirmed is not None]
    said = {"confirmed": sum(bool(flag.confirmed) for flag in asked)} if asked else {}
    if asked:
        said["refuted"] = len(asked) - said["confirmed"]
    return {**counts, **said}
