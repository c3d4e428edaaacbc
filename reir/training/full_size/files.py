"""The files that a run on photographs reads, looked for before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from reir.data import find_dataset
from reir.errors import DatasetError, UsageError
from reir.training.config import TrainConfig

_CLEANED = (
    "clean",
    "reir data check annotations/instances_train2017.json sets/*.json reir_coco_*.json --drop-leaks clean",
)
_ORIGIN = {
    "refcoco": "reir data convert 'refcoco/refs(unc).p' DIR",
    "refcoco+": "reir data convert 'refcoco+/refs(unc).p' DIR",
    "refcocog": "reir data convert 'refcocog/refs(umd).p' DIR",
    "reir": "it comes with REIRCOCO; for pictures of your own: reir data generate, then reir data filter",
    "instances": "it comes with COCO 2017 (annotations_trainval2017.zip of cocodataset.org)",
}


def require_files(config: TrainConfig, *, resume: bool = False) -> None:
    """Return if every annotation file and folder that the settings name is there; ``resume`` needs no start.

    Raises:
        UsageError: some are not; all are listed, each with where it comes from.
    """
    sources = () if config.photos is None else config.photos.sources
    wanted = [(f"photos.sources.{i}", source.file, source.images) for i, source in enumerate(sources)]
    if config.validation is not None:
        wanted.append(("validation", config.validation.file, config.validation.images))
    missing: list[str] = []
    for key, file, images in wanted:
        try:
            path = find_dataset(file)
        except DatasetError:
            missing.append(f"  {key}.file: {file}. {_origin(file)}")
            continue
        folder = images if images is not None else path.parent / "images"
        if not folder.is_dir():
            missing.append(f"  {key}.images: {folder}, the folder of its pictures")
    for i, source in enumerate(sources):
        if source.objects is not None and not Path(source.objects).is_file():
            missing.append(f"  photos.sources.{i}.objects: {source.objects}. {_origin(source.objects)}")
    if config.start is not None and not resume and not config.start.is_dir():
        missing.append(f"  start: {config.start}, a finished run. Make it with: reir train {config.start.name}")
    if missing:
        raise UsageError(
            f"{config.name} needs {len(missing)} things that are not here:\n"
            + "\n".join(missing)
            + "\nOther places are given with --set, as --set photos.sources.0.images=coco/train2017; a rehearsal "
            f"without any data: reir train {config.name} --smoke"
        )


def _origin(file: str) -> str:
    name = Path(file).name.split("_")[0]
    if Path(file).parent.name == _CLEANED[0] and name in _ORIGIN:
        return f"Leave out the pictures of the held-out files with: {_CLEANED[1]}"
    return _ORIGIN.get(name, "Give another file in a run file of your own")
