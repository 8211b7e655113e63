"""Fetches published document models: all small files and the safetensors of a repository."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from embedding_service.models.document_import import ADAPTER, CONFIG, base_of
from embedding_service.models.download import check_arrived, endpoint, first_line, is_reachable
from embedding_service.models.problems import DownloadFailed, UnknownModel

_INDEX = "model.safetensors.index.json"
_WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
_SMALL = (
    CONFIG,
    ADAPTER,
    _INDEX,
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.json",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class PublishedDocumentModel:
    """A repository on the Hugging Face hub, and the base its adapter is for."""

    name: str
    repository: str
    base: str
    licence: str

    def by_hand(self) -> str:
        """What to do without a network here, word for word."""
        folder = self.repository.rpartition("/")[2]
        lines = ["On a machine with a network:", f"  {_hf_download(self.repository)}"]
        command = f"viewfinder models import {folder}"
        if self.base:
            lines.append(f"  {_hf_download(self.base)}")
            command += f" --base {self.base.rpartition('/')[2]}"
        if folder != self.name:
            command += f" --name {self.name}"
        return "\n".join([*lines, "Copy the folders to this machine, then:", f"  {command}"])


PUBLISHED = {
    one.name: one
    for one in (
        PublishedDocumentModel(
            "colqwen2-v1.0", "vidore/colqwen2-v1.0", "vidore/colqwen2-base", "Apache-2.0"
        ),
        PublishedDocumentModel(
            "colqwen2.5-v0.2", "vidore/colqwen2.5-v0.2", "vidore/colqwen2.5-base",
            "Qwen Research (not commercial)",
        ),
        PublishedDocumentModel(
            "colpali-v1.3", "vidore/colpali-v1.3", "vidore/colpaligemma-3b-pt-448-base", "Gemma"
        ),
        PublishedDocumentModel(
            "colsmol-256m", "vidore/colSmol-256M", "vidore/ColSmolVLM-Instruct-256M-base", "MIT"
        ),
        PublishedDocumentModel(
            "colsmol-500m", "vidore/colSmol-500M", "vidore/ColSmolVLM-Instruct-500M-base", "MIT"
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class FetchedRepositories:
    """Folders on this disk."""

    folder: Path
    base: Path | None
    source: dict[str, str]


def is_published_document(name: str) -> bool:
    """Whether `pull NAME` means a document model: a known name, or a repository."""
    return name in PUBLISHED or "/" in name


def published_document(name: str) -> PublishedDocumentModel:
    """By name, or a repository of the hub.

    Raises:
        UnknownModel: neither.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    if name.count("/") != 1:
        raise UnknownModel(f"{name!r} is no repository of the hub (OWNER/NAME)")
    return PublishedDocumentModel(name.partition("/")[2], name, "", "see the repository")


def fetch_document(
    wanted: PublishedDocumentModel, cache: Path | None = None
) -> FetchedRepositories:
    """The repository, and the base of its adapter. What was fetched before is not fetched again.

    Raises:
        DownloadFailed: the message says what to do by hand.
    """
    folder = _fetch(wanted, wanted.repository, cache)
    base = base_of(folder)
    source = {"repository": wanted.repository, "commit": folder.name}
    if not base:
        return FetchedRepositories(folder, None, source)
    of_base = _fetch(wanted, base, cache)
    about = {**source, "base": base, "base_commit": of_base.name}
    return FetchedRepositories(folder, of_base, about)


def _fetch(wanted: PublishedDocumentModel, repository: str, cache: Path | None) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    reached = is_reachable()

    def fetch(file: str) -> Path | None:
        try:
            path = hf_hub_download(
                repository,
                file,
                cache_dir=cache,
                endpoint=endpoint(),
                local_files_only=not reached,
            )
        except LocalEntryNotFoundError:
            return None
        except EntryNotFoundError:
            return None
        except Exception as error:
            raise _failed(wanted, repository, first_line(error)) from error
        check_arrived(Path(path), f"{endpoint()}/{repository}/resolve/main/{file}")
        return Path(path)

    found = {file: path for file in _SMALL if (path := fetch(file)) is not None}
    folder = next((path.parent for path in found.values()), None)
    if folder is None and not reached:
        raise _failed(wanted, repository, f"{endpoint()} cannot be reached")
    weights: tuple[str, ...] = _WEIGHTS
    if _INDEX in found:
        parts = json.loads(found[_INDEX].read_text("utf-8"))["weight_map"].values()
        weights = tuple(sorted(set(parts)))
    arrived = [file for file in weights if fetch(file) is not None]
    if folder is None or not arrived or (_INDEX in found and len(arrived) != len(weights)):
        raise _failed(wanted, repository, "it has no (or not all) weights as safetensors")
    return folder


def _failed(wanted: PublishedDocumentModel, repository: str, why: str) -> DownloadFailed:
    return DownloadFailed(f"{repository} could not be fetched: {why}.\n{wanted.by_hand()}")


def _hf_download(repository: str) -> str:
    return f"hf download {repository} --local-dir {repository.rpartition('/')[2]}"
