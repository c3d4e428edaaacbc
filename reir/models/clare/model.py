"""CLARE as a model of reir: pictures to instances, expressions to query vectors.

A checkpoint folder holds ``config.json`` (sizes, canvases, hashes), ``model.safetensors`` (the whole network),
``tokenizer.json`` and ``text.onnx`` (the text branch with MORE, which answers queries without torch); around SigLIP
also ``architecture.json`` (the settings of its towers), and once it is calibrated ``calibration.json`` (what its scores
mean).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reir.errors import UsageError
from reir.imaging.letterbox import Letterbox, nearest_canvas
from reir.models.calibration import CALIBRATION_FILE, Calibration
from reir.models.clare.tokenizer import ClareTokenizer, load_tokenizer
from reir.models.specification import ModelSpec
from reir.types import FloatArray, Instances, ModelIdentity, Picture

if TYPE_CHECKING:
    import onnxruntime

    from reir.models.clare.network import Clare

BATCH = 16
"""Pictures of one canvas shape that go through the network together, at most."""
BATCH_PIXELS = 4_300_000
"""Pixels that go through it together: sixteen small pictures, but four of 800 x 1333."""


def load(spec: ModelSpec, *, device: str) -> ClareModel:
    """The model of ``clare-tiny``, whose weights ship with the package, or of ``clare:FOLDER``.

    Raises:
        UsageError: a folder is missing, is given where none is taken, or is not a checkpoint.
    """
    spec.require_options(())
    if spec.name == "clare-tiny":
        if spec.argument is not None:
            raise UsageError("clare-tiny ships with the package and takes no folder")
        return ClareModel(
            Path(str(resources.files("reir.models") / "weights" / spec.name)), name=spec.name, device=device
        )
    if spec.argument is None:
        raise UsageError(f"{spec.name} needs a checkpoint folder: --model {spec.name}:FOLDER")
    folder = Path(spec.argument).expanduser().resolve()
    return ClareModel(folder, name=f"{spec.name}:{folder}", device=device)


class ClareModel:
    """The ``Model`` of a checkpoint folder. Safe from several threads.

    Instances of a picture are the decoder's predictions whose objectness reaches ``min_objectness``, best first,
    after class-agnostic NMS. *Differs from the paper*: it is silent on which of its 900 predictions are kept.

    Raises:
        UsageError: the folder is not a checkpoint.
    """

    def __init__(self, folder: Path, *, name: str, device: str = "auto") -> None:
        config_path = folder / "config.json"
        if not config_path.is_file():
            raise UsageError(f"{folder} is not a CLARE checkpoint: it has no config.json")
        self.folder = folder
        self._name = name
        self._device = device
        self._lock = threading.Lock()
        self._config: dict[str, Any] = json.loads(config_path.read_text())
        self._serving: dict[str, Any] = self._config["serving"]
        self._canvases = [(int(height), int(width)) for height, width in self._serving["canvases"]]

    @cached_property
    def identity(self) -> ModelIdentity:
        """Name, dimension D, and the hash of the configuration, which itself holds the hash of the weights."""
        relevant = {key: self._config[key] for key in ("network", "serving", "sha256")}
        digest = hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()
        return ModelIdentity(self._name, digest, int(self._config["network"]["embedding"]))

    @property
    def decode_side(self) -> int:
        """Twice the longest canvas side: more pixels are reduced away before the network sees them."""
        return 2 * max(max(canvas) for canvas in self._canvases)

    @property
    def notice(self) -> str | None:
        """What every user of this checkpoint must be told."""
        return self._config.get("notice")

    @cached_property
    def calibration(self) -> Calibration | None:
        """What its scores mean: ``calibration.json`` of the folder, unless that was made for other weights.

        Raises:
            CalibrationError: the file is damaged.
        """
        path = self.folder / CALIBRATION_FILE
        if not path.exists():
            return None
        calibration = Calibration.load(path)
        return calibration if calibration.fingerprint == self.identity.fingerprint else None

    @property
    def blend(self) -> Mapping[str, float]:
        """Nothing to mix: the score is one inner product of two embeddings."""
        return {}

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        """Kept instances of each picture, boxes in pixels of the upright original."""
        return self._detect(pictures, min_objectness=float(self._serving["min_objectness"]))

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:  # noqa: ARG002
        """T = MORE(F_t) of each expression (Q, D) float32, L2-normalised (paper, equation 1)."""
        if not expressions:
            return np.zeros((0, self.identity.dimension), dtype=np.float32)
        ids, mask = self._tokenizer.encode(expressions)
        (embedding,) = self._text_session.run(["embedding"], {"token_ids": ids, "token_mask": mask})
        vectors: FloatArray = embedding.astype(np.float32)
        return vectors

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        """Instance vector O of each crop's best instance, (Q, D) float32."""
        return np.stack([instances.vectors[0] for instances in self._detect(crops, min_objectness=0.0)])

    def as_query(self, vector: FloatArray) -> FloatArray:
        """The stored vector itself, back at length 1: O and T live in one space."""
        unit: FloatArray = (vector / max(float(np.linalg.norm(vector)), 1e-6)).astype(np.float32)
        return unit

    def text_warnings(self, expression: str) -> list[str]:
        """Words that the text branch does not know, and words past its length."""
        warnings = []
        unknown = self._tokenizer.unknown_words(expression)
        if unknown:
            warnings.append(f"{self._name} does not know: {', '.join(unknown)}")
        dropped = self._tokenizer.dropped_words(expression)
        if dropped:
            warnings.append(f"too long, not read: {' '.join(dropped)}")
        return warnings

    def share_read(self, expression: str) -> float:
        """Share of the describing words that are known and within the length; 0 for an expression without any."""
        return self._tokenizer.share_read(expression)

    @cached_property
    def _tokenizer(self) -> ClareTokenizer:
        return load_tokenizer(self.folder / "tokenizer.json", max_tokens=int(self._serving["max_tokens"]))

    @cached_property
    def _text_session(self) -> onnxruntime.InferenceSession:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read while it is imported
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a query is too small to share between threads
        return onnxruntime.InferenceSession(str(self.folder / "text.onnx"), options, providers=["CPUExecutionProvider"])

    @cached_property
    def _network(self) -> Clare:
        import torch

        from reir.models.clare.checkpoint import load_network

        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        network = load_network(self.folder, self._config).eval().to(device)
        return network.to(memory_format=torch.channels_last)

    def _detect(self, pictures: Sequence[Picture], *, min_objectness: float) -> list[Instances]:
        """Instances of pictures, batched by canvas shape; at least the best one of each picture."""
        by_canvas: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, picture in enumerate(pictures):
            by_canvas[nearest_canvas(picture.width, picture.height, self._canvases)].append(i)
        results: dict[int, Instances] = {}
        for canvas, members in by_canvas.items():
            batch = max(1, min(BATCH, BATCH_PIXELS // (canvas[0] * canvas[1])))
            for start in range(0, len(members), batch):
                chunk = members[start : start + batch]
                boxes = [Letterbox.fit(pictures[i], canvas) for i in chunk]
                for i, instances in zip(chunk, self._forward(boxes, min_objectness), strict=True):
                    results[i] = instances
        return [results[i] for i in range(len(pictures))]

    def _forward(self, letterboxes: Sequence[Letterbox], min_objectness: float) -> list[Instances]:
        from reir.models.clare.detect import detect

        with self._lock:
            network = self._network
        nms_iou = float(self._serving["nms_iou"])
        return detect(network, letterboxes, min_objectness=min_objectness, nms_iou=nms_iou)
