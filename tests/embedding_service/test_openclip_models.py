"""Models are made with torch and open_clip: what is stored agrees with open_clip, or is not stored.

Run by `make test-models`; slow, as every test exports a (tiny) model.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from embedding_service.encoders.clip_text import ClipTokenizer
from embedding_service.encoders.onnx_clip import OnnxClipEncoder
from embedding_service.encoders.torch_clip import TorchClipEncoder
from embedding_service.models import openclip, towers
from embedding_service.models.cells import CellsTower, TokensTower, cells_head
from embedding_service.models.export import export
from embedding_service.models.manifest import CELLS, TOKENIZER, Manifest
from embedding_service.models.openclip import Architecture
from embedding_service.models.problems import BrokenCheckpoint, ExportRefused, UnknownModel
from embedding_service.models.recheck import recheck
from embedding_service.models.store import ModelStore
from embedding_service.models.tokenizer_file import tokenizer_file
from embedding_service.models.verify import sample_pictures
from tests.embedding_service.make_tiny_clip import tiny_config, tiny_model
from viewfinder.errors import NotExplainable

pytestmark = pytest.mark.openclip

PREPROCESS = {
    "size": 64,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}
# What decides whether a text may be cut: the mask, and which token's vector is taken.
TEXT_TOWERS: dict[str, dict[str, Any]] = {
    "clip": {},
    "no_causal_mask": {"no_causal_mask": True},
    "siglip": {"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
    "coca": {"embed_cls": True},
    "custom": {"custom_text": True},
}
CAUSAL = {"clip", "custom"}
ODD_LETTERS = (
    "abcdefghij XYZ 0123456789 .,!?'\"-_&;#@<>()/ \t\n"
    "\u00e4\u00f6\u00fc\u00df\u00e9\u00f1\u0142\u017f\u212a\u03a3\u03c3\u0416\u0434\u732b\u8a9e\u0905\u0928\u0941"
    "\u2014\u2026\u201c\u201d\U0001f408\u200d\u2b1b"
)


def folder_of(path: Path, change: dict[str, Any], **vision: Any) -> Path:
    """A folder as open_clip reads it ("local-dir:") with random weights."""
    config = tiny_config()
    config["vision_cfg"].update(vision)
    config["text_cfg"].update({k: v for k, v in change.items() if k != "custom_text"})
    if change:
        config["custom_text"] = True
    model = tiny_model(json.loads(json.dumps(config)))
    path.mkdir(parents=True)
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(weights, path / "open_clip_model.safetensors")
    about = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (path / "open_clip_config.json").write_text(json.dumps(about))
    return path


def few_pictures(spec: Any) -> Any:
    return sample_pictures(spec, None)[:6]


def exported(
    store: ModelStore, folder: Path, say: Callable[[str], None] = lambda _: None, **options: Any
) -> Manifest:
    wanted = Architecture(folder.name, "random")
    return export(store, wanted, folder, source={}, pictures=few_pictures, say=say, **options)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("clip") / "clip", {})


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, clip_folder: Path
) -> tuple[ModelStore, Manifest]:
    store = ModelStore(tmp_path_factory.mktemp("kept"))
    return store, exported(store, clip_folder, keep_weights=True)


@pytest.mark.parametrize("tower", TEXT_TOWERS)
def test_every_kind_of_text_tower_agrees_with_open_clip(tower: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    manifest = exported(store, folder_of(tmp_path / tower, TEXT_TOWERS[tower]))
    assert manifest.verified.by_precision["fp32"].reaches(0.9999)
    assert manifest.text.causal == (tower in CAUSAL)
    length = OnnxClipEncoder(store.path_of(manifest.id), manifest, "fp32")._tokenize(["a"]).shape[1]
    assert length == (3 if tower in CAUSAL else 77)


def test_mobileclips_branches_are_merged_exactly(tmp_path: Path) -> None:
    vision = {"timm_model_name": "fastvit_t8", "timm_pool": "avg", "timm_proj": None}
    folder = folder_of(tmp_path / "mobile", {}, **vision)
    manifest = exported(ModelStore(tmp_path / "store"), folder, int8=False)
    assert manifest.verified.by_precision["fp32"].image_cosine_min >= 0.9999


def test_a_vision_tower_of_timm_agrees_with_open_clip(tmp_path: Path) -> None:
    vision: dict[str, Any] = {
        "timm_model_name": "vit_tiny_patch16_224",
        "timm_pool": "token",
        "timm_proj": "linear",
    }
    vision["image_size"] = 224
    store = ModelStore(tmp_path / "store")
    manifest = exported(store, folder_of(tmp_path / "timm", {}, **vision), int8=False)
    content = (store.path_of(manifest.id) / "image.fp32.onnx").read_bytes()
    assert b"MultiHeadAttention" in content  # the lean form was taken


def test_open_clips_own_preprocessing_is_in_the_manifest(kept: tuple[ModelStore, Manifest]) -> None:
    pixels = kept[1].pixels
    assert (pixels.size, pixels.resize_mode, pixels.interpolation) == (64, "squash", "bicubic")
    assert kept[1].mean == kept[1].std == (0.5, 0.5, 0.5)


def test_int8_that_is_too_far_is_dropped_and_said(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_service.models.export.INT8_LIMIT", 0.99999)
    said: list[str] = []
    store = ModelStore(tmp_path)
    manifest = exported(store, clip_folder, said.append)
    assert manifest.precisions() == ["fp32"]
    assert any("int8 is too far" in line and "only fp32 is kept" in line for line in said)
    assert not list(store.path_of(manifest.id).glob("*int8*"))


def test_fp32_that_differs_is_refused_and_nothing_stored(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = towers.CausalTextTower.forward
    monkeypatch.setattr(towers.CausalTextTower, "forward", lambda self, ids: -true(self, ids))
    store = ModelStore(tmp_path)
    with pytest.raises(ExportRefused, match=r"differs from open_clip: smallest cosine text -1\.0"):
        exported(store, clip_folder)
    assert list(store.folder.iterdir()) == []


def test_a_torn_checkpoint_is_said(clip_folder: Path, tmp_path: Path) -> None:
    whole = (clip_folder / "open_clip_model.safetensors").read_bytes()
    for name in ("torn.safetensors", "torn.pt"):
        (tmp_path / name).write_bytes(whole[:100_000])
        with pytest.raises(BrokenCheckpoint, match="cannot be read as a checkpoint"):
            openclip.load(Architecture("ViT-B-32", "x"), tmp_path / name)


def test_a_checkpoint_of_another_architecture_is_said_with_a_shape(clip_folder: Path) -> None:
    weights = clip_folder / "open_clip_model.safetensors"
    with pytest.raises(BrokenCheckpoint, match="of another architecture than RN50: "):
        openclip.load(Architecture("RN50", "x"), weights)


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("code from a checkpoint was run",))


def test_a_checkpoint_that_holds_code_is_refused_unrun(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(BrokenCheckpoint, match="could run code on this machine"):
        openclip.load(Architecture("ViT-B-32", "x"), tmp_path / "evil.pt")
    assert "was run" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "tag", "complaint"),
    [
        ("ViT-B-33", "openai", "OpenCLIP has no model 'ViT-B-33'; did you mean ViT-B-32"),
        ("vit-b-32", "openai", "did you mean ViT-B-32"),
        ("ViT-B-32", "laion3b", "ViT-B-32 has no pretrained tag 'laion3b'; it has: openai, "),
        ("ViT-B-32", "", "ViT-B-32 needs a pretrained tag; it has: openai, "),
    ],
)
def test_unknown_names_are_told_near_ones(name: str, tag: str, complaint: str) -> None:
    with pytest.raises(UnknownModel, match=complaint.replace("?", r"\?")):
        openclip.published(name, tag)


@pytest.mark.parametrize(("tag", "quick"), [("openai", True), ("laion2b_s34b_b79k", False)])
def test_quickgelu_is_used_where_the_published_tag_was_trained_with_it(
    tag: str, quick: bool
) -> None:
    _, options = openclip._config_of_name(Architecture("ViT-B-32", tag))
    assert options["force_quick_gelu"] is quick


def run_import(store: Path, folder: Path, prelude: str = "") -> subprocess.Popen[str]:
    program = (
        f"{prelude}\n"
        "import sys, torch; torch.set_num_threads(1)\n"
        "from embedding_service.models.commands import app\n"
        "app(['import', sys.argv[2], '--pretrained', 'x'])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-u", "-c", program, str(store), str(folder)],
        env={**os.environ, "VIEWFINDER_MODELS_DIR": str(store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_export_that_is_killed_leaves_no_model(clip_folder: Path, tmp_path: Path) -> None:
    process = run_import(tmp_path, clip_folder)
    assert process.stdout is not None
    for line in process.stdout:
        if "exporting the image tower" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = ModelStore(tmp_path)
    assert store.ids() == []
    assert len(list(tmp_path.iterdir())) == 1
    manifest = exported(store, clip_folder, int8=False)
    assert [path.name for path in tmp_path.iterdir()] == [manifest.id]


def test_a_disk_that_gets_full_is_one_line_and_leaves_no_model(
    clip_folder: Path, tmp_path: Path
) -> None:
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))"
    )
    process = run_import(tmp_path, clip_folder, limit)
    _, complaint = process.communicate()
    assert process.returncode == 1
    assert "nothing was stored" in complaint
    assert "Traceback" not in complaint
    assert ModelStore(tmp_path).ids() == []


def test_kept_weights_are_compared_with_open_clip_again(kept: tuple[ModelStore, Manifest]) -> None:
    store, manifest = kept
    lines = recheck(store.path_of(manifest.id), manifest, None)
    assert [line.precision for line in lines] == manifest.precisions()
    assert all(line.passed and line.against.startswith("open_clip") for line in lines)


def test_the_torch_encoder_gives_the_vectors_of_the_exact_one(
    kept: tuple[ModelStore, Manifest],
) -> None:
    store, manifest = kept
    folder = store.path_of(manifest.id)
    ours = TorchClipEncoder(folder, manifest, "fp32", "cpu")
    exact = OnnxClipEncoder(folder, manifest, "fp32")
    ours.warm_up()
    assert ours.spec == exact.spec
    texts = ["a", "a photo of two dogs in the snow", "word " * 100]
    np.testing.assert_allclose(ours.embed_texts(texts), exact.embed_texts(texts), atol=1e-5)
    pixels = few_pictures(manifest.pixels)
    np.testing.assert_allclose(ours.embed_images(pixels), exact.embed_images(pixels), atol=1e-5)
    assert ours.embed_texts([]).shape == (0, manifest.dim)


def test_half_precision_is_near_and_a_vector_space_of_its_own(
    kept: tuple[ModelStore, Manifest],
) -> None:
    store, manifest = kept
    folder = store.path_of(manifest.id)
    half = TorchClipEncoder(folder, manifest, "bf16", "cpu")
    exact = OnnxClipEncoder(folder, manifest, "fp32")
    vectors = half.embed_texts(["a cat", "two dogs"])
    assert half.spec.revision != exact.spec.revision
    assert (vectors * exact.embed_texts(["a cat", "two dogs"])).sum(axis=1).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_our_ids_are_open_clips_for_thousands_of_odd_texts(tmp_path: Path) -> None:
    theirs = openclip.open_clip().SimpleTokenizer()
    text, how = tokenizer_file(theirs, 77, causal=True)
    (tmp_path / TOKENIZER).write_text(text, "utf-8")
    ours = ClipTokenizer(tmp_path / TOKENIZER, how)
    chance = random.Random(1)
    letters = [*ODD_LETTERS, " ", " ", "&amp;", "'s", "'ll", "<b>"]
    words = ["It's", "&lt;b&gt;", "don't", "<start_of_text>", "CAF\u00c9", "x" * 40]
    texts = ["".join(chance.choices(letters, k=chance.randint(1, 60))) for _ in range(3000)]
    texts += [" ".join(chance.choices(words, k=9)) for _ in range(200)]
    for start in range(0, len(texts), 100):
        some = texts[start : start + 100]
        np.testing.assert_array_equal(ours(some, whole=True), theirs(some).numpy())


def hub_tokenizer(folder: Path) -> Path:
    """A tokenizer folder as the Hugging Face hub has them, with words as tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    known = "a photo of two brown dogs that run cat snow"
    words = ["<pad>", "</s>", "<unk>", *known.split()]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def test_a_model_with_a_tokenizer_of_its_own_takes_it_from_a_folder(tmp_path: Path) -> None:
    change = {
        **TEXT_TOWERS["siglip"],
        "hf_tokenizer_name": "nobody/nowhere",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    folder = folder_of(tmp_path / "siglip", change)
    store = ModelStore(tmp_path / "store")
    source = hub_tokenizer(tmp_path / "tokenizer")
    manifest = exported(store, folder, tokenizer_source=source, int8=False)
    assert (manifest.text.clean, manifest.text.pad_id, manifest.text.causal) == (
        "canonicalize", 0, False,
    )  # fmt: skip
    encoder = OnnxClipEncoder(store.path_of(manifest.id), manifest, "fp32")
    same = encoder.embed_texts(["A photo of, two DOGS!", "a photo of two dogs"])
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)


# --- what patches show ---


def test_cells_are_the_same_on_torch_and_exported(kept: tuple[ModelStore, Manifest]) -> None:
    store, manifest = kept
    folder = store.path_of(manifest.id)
    picture = few_pictures(manifest.pixels)[0]
    on_torch = TorchClipEncoder(folder, manifest, "fp32", device="cpu").embed_cells(picture)
    exported_cells = OnnxClipEncoder(folder, manifest, "fp32").embed_cells(picture)
    assert on_torch.shape == (4, 4, manifest.dim)
    np.testing.assert_allclose(exported_cells, on_torch, atol=1e-4)


def test_the_way_of_a_cell_into_the_space_is_that_of_the_whole_picture(clip_folder: Path) -> None:
    model = openclip.load(Architecture("clip", "random"), clip_folder).model
    head = cells_head(model)
    assert head is not None
    tower = towers.image_tower(model, towers.preprocessing_of(model))
    pixels = torch.from_numpy(few_pictures(towers.preprocessing_of(model).pixels))
    with torch.inference_mode():
        vectors, tokens = TokensTower(tower, model.visual)(pixels)
        last = model.visual.transformer.resblocks[-1](tokens)
        through_head = torch.nn.functional.normalize(head.project(last)[:, 0], dim=-1)
    torch.testing.assert_close(through_head, vectors, atol=1e-5, rtol=0)


def test_a_cell_of_a_picture_of_one_colour_sees_what_all_see(clip_folder: Path) -> None:
    model = openclip.load(Architecture("clip", "random"), clip_folder).model
    model.visual.positional_embedding.data.zero_()
    head = cells_head(model)
    assert head is not None
    tower = towers.image_tower(model, towers.preprocessing_of(model))
    with torch.inference_mode():
        cells = CellsTower(TokensTower(tower, model.visual), head)(
            torch.full((1, 64, 64, 3), 90, dtype=torch.uint8)
        )
    assert torch.allclose(cells, cells[:, :1, :1].expand_as(cells), atol=1e-5)


def test_what_is_no_vit_is_exported_without_cells(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    resnet = {"layers": [1, 1, 1, 1], "width": 16, "head_width": 16, "patch_size": None}
    manifest = exported(store, folder_of(tmp_path / "resnet", {}, **resnet))
    assert CELLS not in manifest.files
    encoder = OnnxClipEncoder(store.path_of(manifest.id), manifest, "fp32")
    with pytest.raises(NotExplainable, match="no ViT"):
        encoder.embed_cells(np.zeros((64, 64, 3), np.uint8))
