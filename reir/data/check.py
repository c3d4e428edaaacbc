"""What an annotation file holds, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from reir.data.annotated import Annotations, Issue, same_text
from reir.data.annotations import read_annotations
from reir.data.expected import EXPECTED, WHOLE, Counts, differences
from reir.data.leaks import Leak, content_hash, drop_pictures, find_leaks, is_held_out, picture_keys
from reir.data.pictures import find_picture
from reir.errors import DatasetError

Progress = Callable[[str, int, int], None]

REIRCOCO = ("reir_coco_train", "reir_coco_test")


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: its counts, what is wrong in it, the expressions that stand on several objects, and, where its
    pictures were looked for, those that are missing or have another size than the file says (``None``: not looked for).
    """

    annotations: Annotations
    held_out: bool
    repeated: tuple[str, ...]
    missing: tuple[str, ...] | None
    resized: tuple[str, ...] | None

    @property
    def counts(self) -> Counts:
        """As published counts count: with the expressions that stand twice."""
        twice = sum(issue.kind == "duplicate" for issue in self.annotations.issues)
        return Counts(
            len(self.annotations), self.annotations.referred or None, (self.annotations.expressions + twice) or None
        )

    def issues(self) -> dict[str, list[Issue]]:
        """What is wrong, by kind."""
        kinds: dict[str, list[Issue]] = {}
        for issue in self.annotations.issues:
            kinds.setdefault(issue.kind, []).append(issue)
        return kinds

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        annotations = self.annotations
        return {
            "file": str(annotations.path),
            "role": "held out" if self.held_out else "train",
            "pictures": len(annotations),
            "objects": annotations.objects,
            "crowds": int(annotations.crowd.sum()),
            "categories": len(annotations.category_names),
            "referred": annotations.referred,
            "expressions": annotations.expressions,
            "repeated": len(self.repeated),
            "boxes": "all" if annotations.complete else "referred",
            "issues": dict(Counter(issue.kind for issue in annotations.issues)),
            "missing": None if self.missing is None else len(self.missing),
            "resized": None if self.resized is None else len(self.resized),
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All files, what they share, and what differs from the published counts."""

    files: tuple[FileReport, ...]
    leaks: tuple[Leak, ...]
    differences: tuple[str, ...]
    dropped: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Pictures and annotations left out of the cleaned training files, by their path."""

    @property
    def clean(self) -> bool:
        """Nothing is malformed, missing, of another size, shared, or different from what is published."""
        return not (
            self.leaks
            or self.differences
            or any(one.missing or one.resized or "malformed" in one.issues() for one in self.files)
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "files": [one.to_json() for one in self.files],
            "leaks": [
                {"train": leak.train, "held_out": leak.held_out, "pictures": len(leak.pictures)} for leak in self.leaks
            ],
            "differences": list(self.differences),
            "cleaned": {
                path: {"pictures": pictures, "annotations": annotations}
                for path, (pictures, annotations) in self.dropped.items()
            },
            "clean": self.clean,
        }


def check_files(
    paths: Sequence[str | Path],
    *,
    held_out: Sequence[Path] = (),
    images: Sequence[Path] = (),
    by_content: bool = False,
    drop_leaks: Path | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check ``paths`` and ``held_out`` files, each by itself and all against each other.

    Of ``paths``, those are taken for training files that do not say val or test, in themselves or in their name.
    Pictures are looked for in ``images``, or in ``images`` beside a file where that folder is. ``by_content`` also
    compares the files of the pictures. With ``drop_leaks``, a folder, every training file is written there without the
    pictures that it shares with a held-out one.

    Raises:
        DatasetError: a file is missing, or no COCO-style JSON at all, or two would be written to one.
    """
    if drop_leaks is not None:
        _apart(paths, drop_leaks)
    reports: list[FileReport] = []
    keys: dict[str, dict[str, list[str]]] = {}
    for path in dict.fromkeys([*paths, *held_out]):
        annotations = read_annotations(path)
        beside = annotations.path.parent / "images"
        folders = list(images) or ([beside] if beside.is_dir() else [])
        missing, resized = _look_for(annotations, folders, progress) if folders else (None, None)
        reports.append(
            FileReport(
                annotations, path in held_out or is_held_out(annotations), _repeated(annotations), missing, resized
            )
        )
        keys[str(annotations.path)] = picture_keys(
            annotations, folders=folders, hash_file=content_hash if by_content else None
        )
    train = {str(one.annotations.path): keys[str(one.annotations.path)] for one in reports if not one.held_out}
    held = {str(one.annotations.path): keys[str(one.annotations.path)] for one in reports if one.held_out}
    leaks = find_leaks(train, held)
    dropped = {}
    if drop_leaks is not None:
        for path in train:
            gone = {name for leak in leaks if leak.train == path for name, _ in leak.pictures}
            target = drop_leaks / Path(path).name
            dropped[str(target)] = drop_pictures(Path(path), gone, target)
    return CheckReport(tuple(reports), tuple(leaks), tuple(_differences(reports)), dropped)


def _repeated(annotations: Annotations) -> tuple[str, ...]:
    """Expressions that stand on several objects: against REIRCOCO's rule, and usual in RefCOCO."""
    seen: Counter[str] = Counter()
    for picture in annotations:
        seen.update(same_text(text) for texts in picture.expressions for text in texts)
    return tuple(text for text, count in seen.items() if count > 1)


def _look_for(
    annotations: Annotations, folders: Sequence[Path], progress: Progress | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    missing, resized = [], []
    for position in range(len(annotations)):
        name = annotations.file_names[position]
        path = find_picture(folders, name)
        if path is None:
            missing.append(name)
        elif not _has_size(path, *(int(side) for side in annotations.sizes[position])):
            resized.append(name)
        if progress is not None:
            progress(f"pictures of {annotations.name}", position + 1, len(annotations))
    return tuple(missing), tuple(resized)


def _apart(paths: Sequence[str | Path], target: Path) -> None:
    """Two files of one name would be written over each other."""
    names: dict[str, str | Path] = {}
    for path in dict.fromkeys(paths):
        other = names.setdefault(Path(path).name, path)
        if other != path:
            raise DatasetError(f"{other} and {path} would both be written to {target}: clean one at a time")


def _has_size(path: Path, width: int, height: int) -> bool:
    """Whether a picture's header has this size, either way up: a quarter turn is told by EXIF."""
    try:
        with Image.open(path) as image:
            return image.size in ((width, height), (height, width))
    except Exception:  # Damaged files make Pillow raise nearly anything, and none has the size.
        return False


def _differences(reports: Sequence[FileReport]) -> list[str]:
    found = []
    reir_coco = []
    for one in reports:
        name = one.annotations.name
        if name in REIRCOCO:
            reir_coco.append(one.counts)
        dataset, _, split = name.rpartition("_")
        if name in EXPECTED:
            found += differences(name, WHOLE, one.counts)
        elif dataset in EXPECTED:
            found += differences(dataset, split, one.counts)
    if len(reir_coco) == len(REIRCOCO):
        found += differences(REIRCOCO[0].rpartition("_")[0], WHOLE, _sum(reir_coco))
    return found


def _sum(counts: Sequence[Counts]) -> Counts:
    return Counts(
        sum(one.pictures or 0 for one in counts),
        sum(one.referred or 0 for one in counts),
        sum(one.expressions or 0 for one in counts),
    )
