"""model.json of a document model: what it is, where it came from, and how it was checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from embedding_service.encoders.base import EncoderSpec
from embedding_service.models.colpali import FAMILIES, Family
from embedding_service.models.manifest import FORMAT, Probe, StoredFile
from embedding_service.models.problems import BrokenModel
from viewfinder.pictures import PixelSpec

KIND: Final = "multivector"
# Of the pixels of one call, well below what a message may carry.
_CALL_BYTES = 12 << 20
_MOST_PAGES = 8


@dataclass(frozen=True)
class DocumentManifest:
    """All that is known of a model; `revision` is of its weights and preprocessing."""

    id: str
    name: str
    pretrained: str
    architecture: str  # colpali-engine's class
    revision: str
    dim: int
    pixels: PixelSpec
    probes: tuple[Probe, ...] = ()  # texts and their matrices, row after row
    source: dict[str, str] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    @property
    def family(self) -> Family:
        """Of its architecture."""
        return FAMILIES[self.architecture]

    @property
    def max_batch(self) -> int:
        """The most pages a call may bring: their pixels and matrices must fit a message."""
        area = self.pixels.max_pixels or self.pixels.size**2
        return max(1, min(_MOST_PAGES, _CALL_BYTES // (area * 3)))

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files.values())

    def spec(self, precision: str, pooling: int) -> EncoderSpec:
        """Matrices of another precision or pooling are near, not equal: each has its revision."""
        how = f"{self.revision}:{precision}:{pooling}"
        revision = hashlib.sha256(how.encode()).hexdigest()[:12]
        return EncoderSpec(self.id, revision, KIND, self.dim, self.pixels)

    def to_json(self) -> str:
        """The text of model.json."""
        data = {**asdict(self), "format": FORMAT, "kind": KIND, "pixels": self.pixels.as_json()}
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def of(data: dict[str, Any], where: str) -> DocumentManifest:
        """Of the parsed model.json. Raises BrokenModel when this version does not read it."""
        try:
            known = {f.name for f in fields(DocumentManifest)}
            rest = {key: value for key, value in data.items() if key in known}
            if data["architecture"] not in FAMILIES:
                raise BrokenModel(
                    f"{where} is of the architecture {data['architecture']};"
                    f" this Viewfinder reads {', '.join(FAMILIES)}"
                )
            return DocumentManifest(
                **{
                    **rest,
                    "pixels": PixelSpec(**data["pixels"]),
                    "probes": tuple(Probe(**probe) for probe in data["probes"]),
                    "files": {name: StoredFile(**file) for name, file in data["files"].items()},
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenModel(f"{where} is damaged ({error}): import the model again") from error


def is_document_model(data: Any) -> bool:
    """Whether a parsed model.json is of a document model."""
    return isinstance(data, dict) and data.get("kind") == KIND
