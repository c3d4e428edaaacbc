"""Errors that a user can mend: the message names the file or id and the next command."""

from __future__ import annotations

from pathlib import Path
from shlex import quote


class ReirError(Exception):
    """Base of every error that reir raises on purpose.

    ``exit_code`` is what the command line returns for it: 1 failed, 2 usage.
    """

    exit_code = 1


class UsageError(ReirError):
    """The call itself is wrong: an option, a name, a combination of arguments."""

    exit_code = 2


class IndexNotFoundError(ReirError):
    """No index where one was looked for."""

    def __init__(self, looked_in: Path) -> None:
        self.looked_in = looked_in
        super().__init__(f"no index at {looked_in}. Make one with: reir index FOLDER")


class IndexDamagedError(ReirError):
    """An index file is missing, cut off, or not what its recorded hash says; ``mend`` is what to do about it."""

    def __init__(
        self, path: Path, cause: str, mend: str = "Look with: reir doctor; mend with: reir doctor --repair"
    ) -> None:
        self.path = path
        self.cause = cause
        self.mend = mend
        super().__init__(f"index file {path} is damaged ({cause}). {mend}")


class IndexLockedError(ReirError):
    """Another process is writing to this index."""

    def __init__(self, db: Path, owner: str) -> None:
        self.db = db
        self.owner = owner
        super().__init__(f"index {db} is being written by {owner}. Wait for it to end, then run the command again")


class RootMismatchError(ReirError):
    """A path outside the one gallery root that an index belongs to."""

    def __init__(self, db: Path, root: Path, path: Path) -> None:
        self.db, self.root, self.path = db, root, path
        super().__init__(
            f"index {db} belongs to {root}, and {path} lies outside it. "
            f"Give that folder an index of its own: reir index {path}"
        )


class ModelMismatchError(ReirError):
    """An index made by one model is used with another."""

    def __init__(
        self, db: Path, root: Path, index_model: str, index_fingerprint: str, model: str, fingerprint: str
    ) -> None:
        self.db, self.root = db, root
        self.index_model, self.index_fingerprint = index_model, index_fingerprint
        self.model, self.fingerprint = model, fingerprint
        anew = f"reir index {quote(str(root))}" + ("" if db == root / ".reir" else f" --db {quote(str(db))}")
        # One name and two fingerprints: the weights have changed, and the old ones cannot be asked for.
        advice = f"Make it anew: {anew} --rebuild"
        if model != index_model:
            advice = f"Use it with --model {index_model}, or make it anew: {anew} --model {quote(model)} --rebuild"
        super().__init__(
            f"index {db} was made by {index_model} ({index_fingerprint[:12]}), "
            f"not by {model} ({fingerprint[:12]}). {advice}"
        )


class UnknownModelError(UsageError):
    """A model name that is not registered."""

    def __init__(self, name: str, near: list[str]) -> None:
        self.name, self.near = name, near
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"no model named {name!r}.{hint} See them all with: reir models list")


class InstanceGoneError(ReirError):
    """An instance id that is no longer valid (its snapshot was replaced)."""

    def __init__(self, instance_id: int) -> None:
        self.instance_id = instance_id
        super().__init__(
            f"instance {instance_id} is gone: its picture was changed or removed. Search again for its new id"
        )


class SnapshotGoneError(ReirError):
    """A snapshot that no reader held any more, and that was removed after newer ones came.

    ``db`` is the index folder, or the URL of the service that was asked.
    """

    def __init__(self, db: Path | str, number: int) -> None:
        self.db, self.number = db, number
        super().__init__(f"snapshot {number} of index {db} is gone: the gallery changed since. Search anew")


class WeightsMissingError(ReirError):
    """Pretrained weights that are not here and cannot be had now; ``mend`` is what to do about it."""

    def __init__(self, what: str, cause: str, mend: str) -> None:
        self.what, self.cause, self.mend = what, cause, mend
        super().__init__(f"the weights of {what} are not here ({cause}). {mend}")


class MissingPackageError(ReirError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"this needs the package {package}. Install it with: pip install 'reir[{extra}]'")


class ImageUnreadableError(ReirError):
    """One picture cannot be decoded; ``cause`` is stored with its row."""

    def __init__(self, path: Path | str, cause: str) -> None:
        self.path, self.cause = path, cause
        super().__init__(f"{path}: {cause}")


class PicturesMissingError(ReirError):
    """Pictures of a data set that an index lacks or could not read; ``missing`` holds (file name, cause)."""

    def __init__(self, db: Path, root: Path, missing: list[tuple[str, str]]) -> None:
        self.db, self.root, self.missing = db, root, missing
        some = "".join(f"\n  {name}: {cause}" for name, cause in missing[:5])
        more = f"\n  and {len(missing) - 5} more" if len(missing) > 5 else ""
        super().__init__(
            f"index {db} lacks {len(missing)} pictures of the data set:{some}{more}\n"
            f"Index them with: reir index {root} --db {db}"
        )


class DatasetError(ReirError):
    """A data set file is missing, malformed, or contradicts itself."""


class CalibrationError(ReirError):
    """A calibration cannot be read or written, or the labelled data set does not suffice to make one."""
