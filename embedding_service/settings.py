"""Settings of embedding_service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from viewfinder.settings import SharedSettings


class EmbeddingSettings(SharedSettings):
    """What embedding_service reads beside the shared settings."""

    encoder: str = Field(
        "",
        alias="VIEWFINDER_ENCODER",
        description="The encoder: mini, or a model of `viewfinder models list`; empty: what"
        " CLIP_MODEL_NAME says, else what `viewfinder models use` chose, else mini",
    )
    clip_model_name: str = Field(
        "",
        alias="CLIP_MODEL_NAME",
        description="OpenCLIP's name of a model in the store, such as ViT-B-32",
    )
    clip_pretrained: str = Field(
        "",
        alias="CLIP_PRETRAINED",
        description="Its pretrained tag, such as laion2b_s34b_b79k; empty: the only one there is",
    )
    clip_vector_dim: int = Field(
        0,
        ge=0,
        le=65_536,
        alias="CLIP_VECTOR_DIM",
        description="How long vectors must be: another encoder does not start; 0: any",
    )
    force_cpu: bool = Field(
        False, alias="FORCE_CPU", description="Use no GPU, even where there is one"
    )
    models_folder: Path | None = Field(
        None,
        alias="VIEWFINDER_MODELS_DIR",
        description="The folder of models; empty: models in VIEWFINDER_DATA_DIR",
    )
    encoder_precision: Literal["auto", "int8", "fp32", "bf16", "fp16"] = Field(
        "auto",
        alias="VIEWFINDER_ENCODER_PRECISION",
        description="auto: on a CPU int8 where it was verified, else fp32; on a GPU fp32 with"
        " onnx, bf16 with torch. An index holds vectors of one precision",
    )
    encoder_runtime: Literal["auto", "onnx", "torch"] = Field(
        "auto",
        alias="VIEWFINDER_ENCODER_RUNTIME",
        description="auto: torch where a GPU, torch and kept weights are, else ONNX Runtime",
    )
    encoder_idle_s: float = Field(
        0,
        ge=0,
        alias="VIEWFINDER_ENCODER_IDLE_S",
        description="Free the model's memory after so many seconds without work; the next call"
        " waits until it is loaded again; 0: never",
    )
    encoder_compile: bool = Field(
        False,
        alias="VIEWFINDER_ENCODER_COMPILE",
        description="With torch: compile the towers; starts minutes later, runs faster",
    )
    encoder_threads: int = Field(
        1,
        ge=1,
        le=256,
        alias="VIEWFINDER_ENCODER_THREADS",
        description="Threads that one run of the model may use; more than the idle cores is slower",
    )
    document_model: str = Field(
        "",
        alias="VIEWFINDER_DOCUMENT_MODEL",
        description="The model for pages of PDFs, such as colqwen2-v1.0: a document model of"
        " `viewfinder models list`; empty: what `viewfinder models use` chose; none: no such model",
    )
    document_precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        alias="VIEWFINDER_DOCUMENT_PRECISION",
        description="Of the document model: auto is bf16 on a GPU, fp32 on a CPU, where bf16 takes"
        " half the memory and more time. Pages are embedded again for another",
    )
    token_pooling: int = Field(
        1,
        ge=1,
        le=16,
        alias="VIEWFINDER_TOKEN_POOLING",
        description="Of the document model: a page's vectors are clustered to one in so many, which"
        " shrinks the index as much; 1: none are. Pages are embedded again for another",
    )
    text_batch: int = Field(
        16,
        ge=1,
        le=256,
        alias="VIEWFINDER_TEXT_BATCH",
        description="The most texts of concurrent calls that are embedded in one run",
    )
    image_batch: int = Field(
        8,
        ge=1,
        le=256,
        alias="VIEWFINDER_IMAGE_BATCH",
        description="The most pictures of concurrent calls that are embedded in one run",
    )
    text_cache_size: int = Field(
        4096,
        ge=0,
        le=10_000_000,
        alias="VIEWFINDER_TEXT_CACHE_SIZE",
        description="How many texts keep their vector in memory; 0 keeps none",
    )
    ocr: bool = Field(
        True,
        alias="VIEWFINDER_OCR",
        description="Read the words in pictures, and on pages without a text layer",
    )
    ocr_idle_s: float = Field(
        60,
        gt=0,
        alias="VIEWFINDER_OCR_IDLE_S",
        description="End the process that reads after so many seconds without work",
    )
    ocr_threads: int = Field(
        1,
        ge=1,
        le=256,
        alias="VIEWFINDER_OCR_THREADS",
        description="Threads that reading one picture may use",
    )

    @property
    def models_dir(self) -> Path:
        """The model store's folder."""
        return self.models_folder or self.data_dir / "models"
