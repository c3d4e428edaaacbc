"""From ``refs(*).p`` and ``instances.json`` to one COCO-style file a split, which everything here reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reir.data.captions import read_captions
from reir.data.expected import WHOLE, Counts, differences
from reir.data.jsonfile import read_json, write_json
from reir.data.refer.references import Reference, Wording, read_references
from reir.errors import DatasetError


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What was written: path and counts by split, and what differs from the published counts."""

    name: str
    files: Mapping[str, Path]
    counts: Mapping[str, Counts]
    differences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "dataset": self.name,
            "files": {split: str(path) for split, path in self.files.items()},
            "counts": {
                split: {"pictures": one.pictures, "referred": one.referred, "expressions": one.expressions}
                for split, one in self.counts.items()
            },
            "differences": list(self.differences),
        }


def dataset_name(refs: Path) -> str:
    """``refcoco_unc`` of ``refcoco/refs(unc).p``: the name that files and counts go by.

    Raises:
        DatasetError: the file is not called ``refs(SPLITTER).p``.
    """
    stem = refs.name
    if not stem.startswith("refs(") or not stem.endswith(").p"):
        raise DatasetError(f"{refs} is not called refs(unc).p, refs(google).p or refs(umd).p: give it a --name")
    return f"{refs.absolute().parent.name.lower()}_{stem[5:-3].lower()}"


def convert_references(
    refs: Path,
    out: Path,
    *,
    instances: Path | None = None,
    captions: Sequence[Path] = (),
    name: str | None = None,
    wording: Wording = "sent",
) -> ConvertReport:
    """Write ``OUT/NAME_SPLIT.json`` for every split of the references, and count what they hold.

    Each file has the split's pictures with *all* their annotated boxes, masks and categories, so that training sees the
    objects that nobody refers to; ``expressions`` stand on the annotations that the split refers to. ``instances`` is
    by default ``instances.json`` beside ``refs``; ``captions`` are COCO's ``captions_*.json``, stored on the pictures.

    Raises:
        DatasetError: a file is missing, malformed, or a reference points to nothing.
    """
    name = dataset_name(refs) if name is None else name
    references = read_references(refs, wording=wording)
    instances = refs.parent / "instances.json" if instances is None else instances
    content = read_json(instances)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) and all(isinstance(record, dict) for record in content[key])
        for key in ("images", "annotations", "categories")
    ):
        raise DatasetError(f"{instances} is not of COCO's layout: it needs images, annotations and categories")
    images = {image.get("id"): image for image in content["images"]}
    annotations = {annotation.get("id"): annotation for annotation in content["annotations"]}
    for reference in references:
        annotation = annotations.get(reference.ann_id)
        if annotation is None or annotation.get("image_id") != reference.image_id or reference.image_id not in images:
            raise DatasetError(
                f"{refs}: reference {reference.ref_id} means annotation {reference.ann_id} of picture "
                f"{reference.image_id}, and {instances} has no such one"
            )
    told = read_captions(captions)
    by_split: dict[str, list[Reference]] = {}
    for reference in references:
        by_split.setdefault(reference.split, []).append(reference)
    of_image: dict[Any, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        of_image.setdefault(annotation.get("image_id"), []).append(annotation)
    files: dict[str, Path] = {}
    counts: dict[str, Counts] = {}
    differing: list[str] = []
    for split, members in by_split.items():
        files[split] = out / f"{name}_{split}.json"
        info = {"description": f"{name}, {split}", "dataset": name, "split": split, "boxes": "all", "wording": wording}
        write_json(files[split], _split_content(info, members, content, images, of_image, told))
        counts[split] = _count(members)
        differing += differences(name, split, counts[split])
    counts[WHOLE] = _count(references)
    return ConvertReport(name, files, counts, tuple(differing + differences(name, WHOLE, counts[WHOLE])))


def _count(references: Sequence[Reference]) -> Counts:
    return Counts(
        len({reference.image_id for reference in references}),
        len(references),
        sum(len(reference.sentences) for reference in references),
    )


def _split_content(
    info: Mapping[str, Any],
    references: Sequence[Reference],
    content: Mapping[str, Any],
    images: Mapping[Any, Mapping[str, Any]],
    of_image: Mapping[Any, Sequence[Mapping[str, Any]]],
    captions: Mapping[int, Sequence[str]],
) -> dict[str, Any]:
    texts: dict[int, list[str]] = {}
    for reference in references:
        texts.setdefault(reference.ann_id, []).extend(text for text in reference.sentences if text.strip())
    chosen = dict.fromkeys(reference.image_id for reference in references)
    return {
        "info": dict(info),
        "images": [
            {**images[number], **({"captions": list(captions[number])} if number in captions else {})}
            for number in chosen
        ],
        "annotations": [
            {**annotation, **({"expressions": texts[annotation["id"]]} if texts.get(annotation["id"]) else {})}
            for number in chosen
            for annotation in of_image[number]
        ],
        "categories": content["categories"],
    }
