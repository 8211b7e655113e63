"""The model store: one folder a model, whole or not there at all.

<models_dir>/<id>/model.json, text.fp32.onnx, image.fp32.onnx, text.int8.onnx, ..., tokenizer.json
<models_dir>/<id>/model.json, model.safetensors, processor_config.json, ...    a document model
<models_dir>/active            the id that `viewfinder models use` chose
<models_dir>/active-document   the same, for pages of documents
<models_dir>/.making-XXXX/     a model in the making; left ones are swept by the next
"""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeVar

from embedding_service.models.document_manifest import DocumentManifest, is_document_model
from embedding_service.models.manifest import FILE_NAME, Manifest, StoredFile
from embedding_service.models.problems import BrokenModel, ModelInUse, UnknownModel

_ACTIVE = "active"
_ACTIVE_DOCUMENT = "active-document"
_MAKING = ".making-"
_GOING = ".going-"
_LOCK = ".lock"
_READ_BYTES = 1 << 20

AnyManifest = Manifest | DocumentManifest
Made = TypeVar("Made", Manifest, DocumentManifest)


def sha256_of(path: Path, seen: Callable[[int], None] = lambda _: None) -> str:
    """Hex digest; `seen` hears how many bytes were read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            seen(len(block))
    return digest.hexdigest()


class ModelStore:
    """Models in a folder. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, model: str) -> Path:
        """The folder of a model, there or not."""
        return self.folder / model

    def ids(self) -> list[str]:
        """All models, in order of name."""
        if not self.folder.is_dir():
            return []
        names = (path.parent.name for path in self.folder.glob(f"*/{FILE_NAME}"))
        return sorted(name for name in names if not name.startswith("."))

    def read(self, model: str) -> AnyManifest:
        """What a model says of itself.

        Raises:
            UnknownModel: it is not there; the message names near ones.
            BrokenModel: its model.json cannot be read.
        """
        path = self.path_of(model) / FILE_NAME
        if not _is_name(model) or not path.is_file():
            raise UnknownModel(self._unknown(model))
        text = path.read_text("utf-8")
        with suppress(ValueError):  # what is damaged is told by who reads it
            if is_document_model(data := json.loads(text)):
                return DocumentManifest.of(data, str(path))
        return Manifest.from_json(text, str(path))

    def get(self, model: str) -> Manifest:
        """As `read`, of a model of pictures.

        Raises:
            UnknownModel, BrokenModel: as `read`; UnknownModel too where it is a document model.
        """
        manifest = self.read(model)
        if isinstance(manifest, DocumentManifest):
            raise UnknownModel(
                f"{model} is a document model, for pages: VIEWFINDER_DOCUMENT_MODEL={model} uses it"
            )
        return manifest

    def get_document(self, model: str) -> DocumentManifest:
        """As `read`, of a document model.

        Raises:
            UnknownModel, BrokenModel: as `read`; UnknownModel too where it is another model, with
                the names of those that there are.
        """
        try:
            manifest = self.read(model)
        except UnknownModel as error:
            raise UnknownModel(f"there is no model {model!r}; {self._documents()}") from error
        if isinstance(manifest, Manifest):
            raise UnknownModel(f"{model} is no document model; {self._documents()}")
        return manifest

    def find(self, name: str, pretrained: str = "") -> str:
        """The id of the model with this OpenCLIP name, and tag where several have the name.

        Raises:
            UnknownModel: none or several; the message names them.
        """
        found = []
        for model in self.ids():
            with suppress(BrokenModel):
                manifest = self.read(model)
                if manifest.name == name and pretrained in ("", manifest.pretrained):
                    found.append(model)
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownModel(f"several models are {name}: {', '.join(found)}; name the tag too")
        raise UnknownModel(self._unknown(f"{name}--{pretrained}" if pretrained else name))

    def resolve(self, text: str) -> str:
        """The id that somebody meant: an id, or OpenCLIP's name where one model has it.

        Raises:
            UnknownModel: none or several; the message names them.
        """
        return text if text in self.ids() else self.find(text)

    def resolve_document(self, text: str) -> str:
        """As `resolve`, of a document model.

        Raises:
            UnknownModel: none of this name; the message names those that there are.
        """
        try:
            model = self.resolve(text)
        except UnknownModel:
            model = text
        self.get_document(model)
        return model

    def active(self) -> str:
        """The model that was chosen with `use`; empty when none was."""
        return self._chosen(_ACTIVE)

    def active_document(self) -> str:
        """The document model that was chosen with `use`; empty when none was."""
        return self._chosen(_ACTIVE_DOCUMENT)

    def use(self, model: str) -> None:
        """Choose a model for the next start of embedding_service; empty: none, which means mini."""
        if model:
            self.get(model)
        self._choose(_ACTIVE, model)

    def use_document(self, model: str) -> None:
        """Choose the document model for the next start of embedding_service; empty: none."""
        if model:
            self.get_document(model)
        self._choose(_ACTIVE_DOCUMENT, model)

    def _chosen(self, file: str) -> str:
        try:
            return (self.folder / file).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    def _choose(self, file: str, model: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=_MAKING, delete=False) as new:
            new.write(f"{model}\n")
            _sync(new)
        Path(new.name).replace(self.folder / file)

    def is_held(self, model: str) -> bool:
        """Whether a running process uses it."""
        with (self.path_of(model) / FILE_NAME).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def remove(self, model: str) -> None:
        """Delete a model.

        Raises:
            UnknownModel: it is not there.
            ModelInUse: it was chosen with `use`, or a running service holds it.
        """
        path = self.path_of(model)
        if not _is_name(model) or not path.is_dir():
            raise UnknownModel(self._unknown(model))
        if model in (self.active(), self.active_document()):
            raise ModelInUse(f"{model} is the chosen one: `viewfinder models use` another first")
        if (path / FILE_NAME).is_file() and self.is_held(model):
            raise ModelInUse(f"{model} is held by a running embedding_service: switch or stop it")
        self._take_away(path)

    @contextmanager
    def making(self) -> Iterator[Path]:
        """A folder to make a model in, on the disk of the store; gone when the block ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        path = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.folder))
        try:
            with (path / _LOCK).open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, made: Path, manifest: Made) -> Made:
        """Move what was made into the store under its id; what was there before is replaced.

        Every file is on the disk before the model can be seen.
        """
        names = sorted(p.name for p in made.iterdir() if p.name not in (FILE_NAME, _LOCK))
        files = {name: _stored(made / name) for name in names}
        manifest = replace(manifest, files=files)
        with (made / FILE_NAME).open("w", encoding="utf-8") as file:
            file.write(manifest.to_json())
            _sync(file)
        (made / _LOCK).unlink()
        made.chmod(0o755)  # whoever serves need not be who made it
        _sync_folder(made)
        target = self.path_of(manifest.id)
        if target.exists():
            self._take_away(target)
        made.replace(target)
        _sync_folder(self.folder)
        return manifest

    def check_files(self, model: str, seen: Callable[[int], None] = lambda _: None) -> AnyManifest:
        """Compare every file with its checksum.

        Raises:
            UnknownModel: it is not there.
            BrokenModel: a file is missing or not the one that was stored.
        """
        manifest = self.read(model)
        for name, stored in manifest.files.items():
            path = self.path_of(model) / name
            if not path.is_file():
                raise BrokenModel(f"{path} is missing: export {model} again")
            if path.stat().st_size != stored.size_bytes or sha256_of(path, seen) != stored.sha256:
                raise BrokenModel(f"{path} is not the file that was stored: export {model} again")
        return manifest

    def _take_away(self, path: Path) -> None:
        """Out of sight first, in one step: nobody shall meet half a model."""
        going = path.with_name(f"{_GOING}{os.getpid()}-{path.name}")
        path.replace(going)
        shutil.rmtree(going, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what killed processes left."""
        for path in self.folder.glob(f"{_GOING}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f"{_MAKING}*"):
            if path.is_dir() and not _is_locked(path / _LOCK):
                shutil.rmtree(path, ignore_errors=True)

    def _documents(self) -> str:
        known = []
        for model in self.ids():
            with suppress(BrokenModel):
                if isinstance(self.read(model), DocumentManifest):
                    known.append(model)
        if known:
            return f"document models here: {', '.join(known)}"
        return (
            f"{self.folder} holds no document model yet; bring one:"
            " viewfinder models pull colqwen2-v1.0"
        )

    def _unknown(self, model: str) -> str:
        known = self.ids()
        near = difflib.get_close_matches(model, known, 3, 0.3)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif known:
            hint = f"there are: {', '.join(known)}"
        else:
            hint = (
                f"{self.folder} holds none yet; bring one: viewfinder models pull {model}".rstrip()
            )
        return f"there is no model {model!r}; {hint}"


def hold(folder: Path) -> IO[bytes]:
    """Mark the model in this folder as in use until what is returned is closed, or the process
    ends.

    Raises:
        UnknownModel: it was removed meanwhile.
    """
    try:
        file = (folder / FILE_NAME).open("rb")
    except FileNotFoundError as error:
        raise UnknownModel(f"{folder} was removed") from error
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _is_name(model: str) -> bool:
    """One folder of the store, not its temporary ones and nothing outside."""
    return Path(model).name == model and model[:1] not in ("", ".")


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _stored(path: Path) -> StoredFile:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return StoredFile(sha256_of(path), path.stat().st_size)


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
