"""Fetches published weights: with a bar, resumed where they broke off, checked at the end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedding_service.models.problems import DownloadFailed
from embedding_service.models.store import sha256_of

_HUB = "https://huggingface.co"
# As open_clip has it: safetensors first, they hold nothing but weights.
_DEFAULT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_SHA256_HEX = 64
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Published:
    """Where the weights of a pretrained tag lie."""

    name: str
    pretrained: str
    repository: str  # on the Hugging Face hub
    files: tuple[str, ...]  # the first that exists

    @staticmethod
    def of(name: str, pretrained: str, entry: dict[str, Any]) -> Published:
        """From open_clip's entry. Raises DownloadFailed when it names no repository."""
        repository, _, file = str(entry.get("hf_hub", "")).rpartition("/")
        if not repository:
            raise DownloadFailed(
                f"{name} {pretrained} is not on the Hugging Face hub but at {entry.get('url')}:"
                f" fetch it, then: {_import_command('FILE', name, pretrained)}"
            )
        safe = (str(Path(file).with_suffix(".safetensors")), file) if file else _DEFAULT_FILES
        return Published(name, pretrained, repository, tuple(dict.fromkeys(safe)))

    def address(self, file: str) -> str:
        """Of a file, for a browser or curl."""
        return f"{endpoint()}/{self.repository}/resolve/main/{file}"

    def by_hand(self) -> str:
        """What to do without a network here, word for word."""
        file = self.files[0]
        lines = [
            "On a machine with a network, fetch",
            f"  {self.address(file)}",
            *(
                [f"  (or, if that is not there: {self.address(self.files[1])})"]
                if self.files[1:]
                else []
            ),
            f"for example: curl -LO -C - {self.address(file)}",
            "Copy it to this machine, then:",
            f"  {_import_command(file, self.name, self.pretrained)}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Fetched:
    """Weights on this disk."""

    path: Path
    address: str
    revision: str  # the repository's commit


def fetch(wanted: Published, cache: Path | None, bar: type[Any] | None = None) -> Fetched:
    """The file, from the cache or the hub. A broken download goes on where it stopped.

    `bar` is a tqdm class. The file's SHA-256 is compared with what the hub says it is.

    Raises:
        DownloadFailed: the message says what to do by hand.
    """
    # Set before the import, which reads it: the plain transfer resumes and shows its progress.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    reached = is_reachable()  # asked once and quickly: the hub's own client tries for half a minute
    for file in wanted.files:
        try:
            path = hf_hub_download(
                wanted.repository,
                file,
                cache_dir=cache,
                endpoint=endpoint(),
                tqdm_class=bar,
                local_files_only=not reached,
            )
        except LocalEntryNotFoundError as error:
            if not reached and file != wanted.files[-1]:
                continue
            raise _failed(wanted, f"{endpoint()} cannot be reached") from error
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise _failed(wanted, first_line(error)) from error
        found = Path(path)
        check_arrived(found, wanted.address(file))
        return Fetched(found, wanted.address(file), found.parent.name)
    names = " nor ".join(wanted.files)
    raise DownloadFailed(f"{wanted.repository} on the hub has neither {names}")


def check_arrived(path: Path, address: str) -> None:
    """Large files lie in the cache under their SHA-256; one that differs is thrown away."""
    blob = path.resolve()
    if len(blob.name) != _SHA256_HEX:
        return
    if sha256_of(blob) != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise DownloadFailed(
            f"{address} arrived damaged (its SHA-256 is not the one the hub names)"
            " and was thrown away: pull it again"
        )


def _failed(wanted: Published, why: str) -> DownloadFailed:
    return DownloadFailed(
        f"{wanted.name} {wanted.pretrained} could not be fetched: {why}.\n{wanted.by_hand()}"
    )


def _import_command(file: str, name: str, pretrained: str) -> str:
    return f"viewfinder models import {file} --name {name} --pretrained {pretrained}"


def is_reachable() -> bool:
    """Whether the hub answers."""
    import httpx

    try:
        httpx.head(endpoint(), timeout=_ANSWER_S)
    except httpx.HTTPError:
        return False
    return True


def endpoint() -> str:
    """Of the hub, or of the mirror that HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")


def first_line(error: Exception) -> str:
    """What an error says, short."""
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:200]
