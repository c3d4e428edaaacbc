"""A gallery of pictures that is searched by description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from reir.errors import ModelMismatchError, ReirError, RootMismatchError, SnapshotGoneError, UsageError
from reir.gallery.arguments import FilePath, as_example, as_model, as_request
from reir.gallery.info import GalleryInfo
from reir.rerank import StagePlan
from reir.search import CurrentSnapshot, Cursor, Encoder, Example, Query, Searcher, SearchRequest, SecondLook
from reir.types import FloatArray, ModelIdentity, Picture, SearchOptions, SearchResult

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from reir.indexer import IndexReport, Progress
    from reir.protocols import Model
    from reir.store import Index, Snapshot


class Gallery:
    """An indexed gallery. All methods may be called from several threads at once.

    Searches run side by side, each on one snapshot of the index; what another thread or another process adds
    or removes is seen by the searches that begin after it was committed. Additions and removals wait for each
    other within a process; a writer in another process makes them fail with ``IndexLockedError``.

    Paths are given and returned relative to the gallery's root, with ``/``; absolute paths are taken too.
    """

    def __init__(
        self,
        index: Index,
        *,
        model: Model | str | None = None,
        device: str = "auto",
        keep_snapshots: float = 0.0,
        remembered_expressions: int = 1024,
    ) -> None:
        """A gallery on an open index; see ``Gallery.open``."""
        self._index = index
        self._keep_snapshots = keep_snapshots
        self._device = device
        self._given = model
        self._remembered = remembered_expressions
        self._asked: tuple[Encoder, SecondLook] | None = None
        self._loading = Lock()
        self._writing = Lock()
        self._current = CurrentSnapshot(index, keep=keep_snapshots)
        if model is not None:
            _ = self.model

    @classmethod
    def open(
        cls,
        db: FilePath,
        *,
        model: Model | str | None = None,
        device: str = "auto",
        database_url: str | None = None,
        keep_snapshots: float = 0.0,
        remembered_expressions: int = 1024,
    ) -> Self:
        """The gallery of the index folder ``db``.

        Args:
            db: the index folder (``PHOTOS/.reir`` unless it was made elsewhere).
            model: a model or its name; by default the one that made the index, loaded when it is first needed.
            device: ``auto``, ``cpu`` or ``cuda``, for the models that are loaded by name.
            database_url: SQLAlchemy URL of the image table, if it is not in the index folder.
            keep_snapshots: seconds for which, after the gallery changed, further pages of an older answer can be had.
            remembered_expressions: how many expressions are kept with their vectors.

        Raises:
            IndexNotFoundError: no index there.
            ModelMismatchError: the index was made by another model than the one that is given.
        """
        from reir.store import Index

        index = Index.open(Path(db), database_url=database_url)
        return cls(
            index,
            model=model,
            device=device,
            keep_snapshots=keep_snapshots,
            remembered_expressions=remembered_expressions,
        )

    @classmethod
    def create(
        cls,
        root: FilePath,
        *,
        db: FilePath | None = None,
        model: Model | str = "auto",
        device: str = "auto",
        database_url: str | None = None,
    ) -> Self:
        """The gallery of the folder ``root``: its index is made, empty, or opened if it is there already.

        Raises:
            RootMismatchError: ``db`` is the index of another folder.
            ModelMismatchError: the index was made by another model.
        """
        from reir.indexer import open_or_create

        loaded = as_model(model, device)
        index = open_or_create(Path(root), loaded, db=None if db is None else Path(db), database_url=database_url)
        return cls(index, model=loaded, device=device)

    @property
    def root(self) -> Path:
        """The folder that the paths of hits are relative to."""
        return self._index.info.root

    @property
    def db(self) -> Path:
        """The index folder."""
        return self._index.info.db

    @property
    def model(self) -> Model:
        """The model that made the index, loaded on first use.

        Raises:
            ModelMismatchError: the model found under its name has other weights or settings.
        """
        return self._model_of(self._index.info.model)[0].model

    def search(
        self,
        expression: str | None = None,
        *,
        image: FilePath | PillowImage | Picture | None = None,
        vector: FloatArray | None = None,
        cursor: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Ranked hits for an expression, an example picture, a query vector or a cursor (exactly one of the four).

        By default the ``top`` best *pictures*, each placed by its best instance and with at most ``boxes`` boxes, which
        share the picture's ``rank``; with ``flat`` the ``top`` best instances.

        Args:
            expression: a description of one thing: ``"the red cup left of a laptop"``.
            image: an example of the thing: a crop, as a file, a Pillow image or a ``Picture``.
            vector: a query vector (D,) float32, for example from ``gallery.model.encode``.
            cursor: ``next_cursor`` of an answer: its next page. All but ``top`` must be as it was there.
            options: how many hits, of which pictures, and which stages look at them again; see ``SearchOptions``.

        Raises:
            UsageError: no query or several, an empty expression, a number out of range, a cursor of another search, a
                stage or blend that is unknown or that the index's model does not allow.
            SnapshotGoneError: the gallery changed since the page before, and what it was then is not kept.
            ImageUnreadableError: ``image`` cannot be decoded.
            ModelMismatchError: see ``model``.
        """
        return self._search(as_request(self._query(expression, image, vector, cursor), **options))

    def like(self, instance_id: int, **options: Unpack[SearchOptions]) -> SearchResult:
        """Ranked hits that look like an instance found before (``hit.instance_id``); no pixel is read.

        The instance itself is one of them, and its score shows what the same thing would get. Options as in ``search``.

        Raises:
            UsageError: an option out of range, or a stage that needs an expression.
            InstanceGoneError: the instance's picture was changed or removed since.
        """
        return self._search(as_request(Example(instance_id), **options))

    def search_many(self, requests: Sequence[SearchRequest]) -> list[SearchResult | ReirError]:
        """The answer to each request, or the error that takes its place; quicker than one after the other.

        Requests without a cursor are answered from one snapshot, their expressions encoded in one batch.

        Raises:
            ModelMismatchError: see ``model``.
        """
        by_snapshot: dict[int | None, list[int]] = {}
        for place, request in enumerate(requests):
            by_snapshot.setdefault(request.snapshot, []).append(place)
        answers: dict[int, SearchResult | ReirError] = {}
        for number, places in by_snapshot.items():
            try:
                with self.reading(number) as snapshot:
                    encoder, second_look = self._model_of(snapshot.model)
                    searcher = Searcher(snapshot, encoder, second_look)
                    found = searcher.search_many([requests[place] for place in places])
            except SnapshotGoneError as error:
                found = [error] * len(places)
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(requests))]

    def prepare(self, stages: StagePlan) -> None:
        """Load the networks of these stages, so that no search waits for them.

        Raises:
            UsageError: a stage that is not known, or that cannot look at the index's model.
            WeightsMissingError: its weights are not on this machine.
        """
        self._model_of(self._index.info.model)[1].prepare(stages)

    def add(
        self,
        paths: Sequence[FilePath],
        *,
        progress: Progress | None = None,
        external_ids: Mapping[str, str] | None = None,
        workers: int | None = None,
    ) -> IndexReport:
        """What became of the given files and folders: new and changed pictures are looked at, unchanged ones are not.

        Searches see the additions when this returns.

        Args:
            paths: files or folders under the gallery's root.
            progress: told of every batch.
            external_ids: your own id of a picture, by its path as it is given in ``paths``.
            workers: decoding processes; by default one a core. 0 decodes in this process: sooner for a few files, and
                right where they can be trusted not to crash a decoder.

        Raises:
            RootMismatchError: a path outside the root.
            IndexLockedError: another process is writing to this index.
        """
        from reir.indexer import IndexOptions, run_index

        options = IndexOptions(
            paths=[self.root / self._name(path) for path in paths],
            external_ids={self._name(path): name for path, name in (external_ids or {}).items()},
            workers=workers,
        )
        with self._writing:
            report = run_index(self._index, lambda: self.model, options, progress=progress)
        self.refresh()
        return report

    def remove(self, paths: Sequence[FilePath]) -> int:
        """How many pictures were taken out of the index; a folder stands for all pictures under it. No file is touched.

        A removed picture that still lies in the gallery comes back when the gallery is indexed again.

        Raises:
            RootMismatchError: a path outside the root.
            IndexLockedError: another process is writing to this index.
        """
        from reir.indexer.scope import known_in

        names = [self._name(path) for path in paths]
        with self._writing, self._index.writer() as writer:
            removed = writer.delete(sorted(known_in(names, writer)))
            if removed:
                writer.commit()
        self.refresh()
        return removed

    def remove_images(self, image_ids: Sequence[int]) -> int:
        """How many of these pictures were taken out of the index, wherever they lie by now. No file is touched.

        Another picture with the same content stays, with the instances that the two share.

        Raises:
            IndexLockedError: another process is writing to this index.
        """
        with self._writing, self._index.writer() as writer:
            # Nobody else writes now, so the newest snapshot says which path each picture has.
            with self.reading() as snapshot:
                rows = snapshot.images(image_ids).values()
            removed = writer.delete([row.path for row in rows if row.status != "deleted"])
            if removed:
                writer.commit()
        self.refresh()
        return removed

    def info(self) -> GalleryInfo:
        """What the index holds now."""
        facts = self._index.info
        with self.reading() as snapshot:
            return GalleryInfo(
                db=facts.db,
                root=facts.root,
                model=facts.model,
                settings=facts.settings,
                created_at=facts.created_at,
                snapshot=snapshot.number,
                images=snapshot.image_count,
                instances=snapshot.instance_count,
                failed=snapshot.failed_count,
                bytes=self._index.size_on_disk(),
            )

    def refresh(self) -> int:
        """The number of the newest snapshot; searches from now on use it. Every search does this by itself.

        Where the index was given to another model meanwhile (``reir index --rebuild --model``), that model is taken,
        unless the gallery was opened with one of its own.

        Raises:
            ModelMismatchError: the gallery was opened with a model, and another one has the index now.
        """
        current = self._current
        try:
            return current.refresh()
        except ModelMismatchError:
            if self._given is not None:
                raise
            return self._follow_other_model(current)

    def close(self) -> None:
        """Let go of the index. Searches that run in other threads end undisturbed."""
        self._current.close()
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reading(self, snapshot: int | None = None) -> Iterator[Snapshot]:
        """The newest snapshot of the index, or the one of this number, for the length of a ``with`` block.

        Raises:
            SnapshotGoneError: nobody holds the snapshot of that number any more.
        """
        try:
            self.refresh()
            with self._current.read(snapshot) as current:
                yield current
        except ModelMismatchError as error:
            if snapshot is None:
                raise
            raise SnapshotGoneError(self.db, snapshot) from error

    def _follow_other_model(self, stale: CurrentSnapshot) -> int:
        with self._loading:
            if self._current is stale:  # else another thread was here first
                self._index = self._index.reread()
                self._current = CurrentSnapshot(self._index, keep=self._keep_snapshots)
        stale.close()
        return self._current.refresh()

    def _search(self, request: SearchRequest) -> SearchResult:
        (answer,) = self.search_many([request])
        if isinstance(answer, ReirError):
            raise answer
        return answer

    def _model_of(self, made_by: ModelIdentity) -> tuple[Encoder, SecondLook]:
        with self._loading:
            if self._asked is None or self._asked[0].model.identity != made_by:
                model = as_model(made_by.name if self._given is None else self._given, self._device)
                self._index.info.require(model.identity)
                self._asked = Encoder(model, remembered=self._remembered), SecondLook(model, device=self._device)
            return self._asked

    def _query(
        self,
        expression: str | None,
        image: FilePath | PillowImage | Picture | None,
        vector: FloatArray | None,
        cursor: str | None,
    ) -> Query:
        if sum(given is not None for given in (expression, image, vector, cursor)) != 1:
            raise UsageError("search takes exactly one of an expression, an example image, a vector and a cursor")
        if expression is not None:
            return expression
        if vector is not None:
            return vector
        if cursor is not None:
            return Cursor.decode(cursor)
        assert image is not None
        return as_example(image, self.model.decode_side)

    def _name(self, path: FilePath) -> str:
        """The path relative to the root, as the index has it.

        A relative path that is found below the working folder, and not below the root, is taken from there.
        """
        from reir.indexer.scope import relative_path

        given = Path(path)
        here = not (self.root / given).exists() and given.exists()
        name = relative_path(self.root, given if here else self.root / given)
        if name is None:
            raise RootMismatchError(self.db, self.root, given)
        return name
