"""Where an encoder's calibration lies: beside its weights, but no part of its revision.

A better fit changes no vector, so an index stays good when its encoder is calibrated anew.
"""

from __future__ import annotations

import os
import tempfile
from importlib.resources.abc import Traversable
from pathlib import Path

import structlog

from embedding_service.encoder_loading import MINI
from embedding_service.encoders.base import EncoderSpec
from embedding_service.models.document_manifest import DocumentManifest
from embedding_service.models.problems import BrokenModel, ModelProblem
from embedding_service.models.store import ModelStore
from viewfinder.calibration import FILE_NAME, BrokenCalibration, Calibration
from viewfinder.late_calibration import LateCalibration

log = structlog.get_logger()


def load_calibration(models_dir: Path, spec: EncoderSpec) -> Calibration | None:
    """The calibration of a loaded encoder; None without one, or with one of other weights.

    A calibration that cannot be used is no reason not to search: it is logged and left alone.
    """
    try:
        folder, revision = _home(models_dir, spec)
        text = (folder / FILE_NAME).read_text("utf-8")
    except (FileNotFoundError, ModelProblem):
        return None
    except (OSError, UnicodeDecodeError) as error:
        log.warning("calibration cannot be read", encoder=spec.name, reason=str(error))
        return None
    try:
        calibration = Calibration.from_json(text)
    except BrokenCalibration as error:
        log.warning("calibration cannot be used", encoder=spec.name, reason=str(error))
        return None
    if (calibration.revision, calibration.dim) != (revision, spec.dim):
        log.warning(
            "calibration is of other weights: fit it again",
            encoder=spec.name,
            revision=revision,
            fitted_for=calibration.revision,
        )
        return None
    return calibration


def load_late_calibration(models_dir: Path, model: str, pooling: int) -> LateCalibration | None:
    """That of a document model; None without one, or with one of other weights or pooling."""
    store = ModelStore(models_dir)
    try:
        wanted = late_revision(store.get_document(model), pooling)
        text = (store.path_of(model) / FILE_NAME).read_text("utf-8")
        calibration = LateCalibration.from_json(text)
    except (FileNotFoundError, ModelProblem):
        return None
    except (OSError, UnicodeDecodeError, BrokenCalibration) as error:
        log.warning("calibration cannot be used", encoder=model, reason=str(error))
        return None
    if calibration.revision != wanted:
        log.warning(
            "calibration is of other weights or pooling: fit it again",
            encoder=model,
            revision=wanted,
            fitted_for=calibration.revision,
        )
        return None
    return calibration


def late_revision(manifest: DocumentManifest, pooling: int) -> str:
    """What a calibration of a document model is bound to: rows that are pooled score otherwise."""
    return f"{manifest.revision}:{pooling}"


def store_late_calibration(models_dir: Path, calibration: LateCalibration, pooling: int) -> Path:
    """As `store_calibration`. Raises as it does."""
    store = ModelStore(models_dir)
    model = calibration.encoder
    if late_revision(store.get_document(model), pooling) != calibration.revision:
        raise BrokenModel(f"{model} was made again meanwhile: calibrate it again")
    path = store.path_of(model) / FILE_NAME
    write_calibration(path, calibration)
    return path


def weights_revision(models_dir: Path, spec: EncoderSpec) -> str:
    """What a calibration of this encoder is bound to; all precisions of a model share it.

    Raises:
        ModelProblem: the store has no such model (any more).
    """
    return _home(models_dir, spec)[1]


def store_calibration(models_dir: Path, calibration: Calibration) -> Path:
    """Keep it with its model of the store, in one step; returns where.

    Raises:
        BrokenModel: the model was made again meanwhile.
        ModelProblem: it is no model of the store.
    """
    store = ModelStore(models_dir)
    if store.get(calibration.encoder).revision != calibration.revision:
        raise BrokenModel(f"{calibration.encoder} was made again meanwhile: calibrate it again")
    path = store.path_of(calibration.encoder) / FILE_NAME
    write_calibration(path, calibration)
    return path


def write_calibration(path: Path, calibration: Calibration | LateCalibration) -> None:
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".calibration-", delete=False
    ) as new:
        new.write(calibration.to_json())
        new.flush()
        os.fsync(new.fileno())
    made = Path(new.name)
    made.chmod(0o644)  # whoever serves need not be who made it
    made.replace(path)


def _home(models_dir: Path, spec: EncoderSpec) -> tuple[Traversable, str]:
    if spec.name == MINI:
        from embedding_service.encoders.mini import PACKAGED

        return PACKAGED, spec.revision
    store = ModelStore(models_dir)
    return store.path_of(spec.name), store.get(spec.name).revision
