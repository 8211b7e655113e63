"""Document models are imported whole, from checkpoints and adapters, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from embedding_service.document_loading import load_document_encoder
from embedding_service.encoder_loading import UnknownEncoder
from embedding_service.models import colpali
from embedding_service.models.commands import app
from embedding_service.models.document_import import import_document_model, look_at
from embedding_service.models.problems import BrokenCheckpoint
from embedding_service.models.store import ModelStore
from tests.embedding_service.colqwen_pages import encoder_of, prepared_for
from tests.embedding_service.tiny_documents import TINY
from tests.embedding_service.tiny_store import settings

pytestmark = [
    pytest.mark.colqwen,
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:(transformers|torch|peft)\..*"),
]


@pytest.fixture(params=TINY)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_the_same_weights_have_the_same_revision_and_others_another(
    tmp_path: Path, checkpoints: dict[str, Path], document_models: ModelStore
) -> None:
    again = import_document_model(
        ModelStore(tmp_path / "s"), look_at(checkpoints["ColQwen2"], None), "other-name", "", {}
    )
    assert again.revision == document_models.get_document("ColQwen2").revision
    retrained = TINY["ColQwen2"](tmp_path / "m", 1)  # type: ignore[call-arg]
    other = import_document_model(ModelStore(tmp_path / "s"), look_at(retrained, None), "o", "", {})
    assert other.revision != again.revision


@pytest.fixture(params=["as now", "as transformers 4 named them"])
def adapter(tmp_path: Path, checkpoints: dict[str, Path], request: pytest.FixtureRequest) -> Path:
    """Such as vidore/colqwen2-v1.0: low-rank changes of a base that it names."""
    from peft import LoraConfig, get_peft_model

    package = colpali.engine()
    with colpali.quiet():
        model = package.ColQwen2.from_pretrained(str(checkpoints["ColQwen2"]), dtype=torch.float32)
        about = LoraConfig(
            r=4,
            lora_alpha=8,
            init_lora_weights=False,
            target_modules=r"(.*(language_model).*(q_proj|v_proj|down_proj).*$|.*(custom_text_proj).*$)",
        )
        adapted = get_peft_model(model, about)
        folder = tmp_path / "adapter"
        adapted.save_pretrained(str(folder))
        page = prepared_for(checkpoints["ColQwen2"])
        processor = package.ColQwen2Processor.from_pretrained(str(checkpoints["ColQwen2"]))
        processor.save_pretrained(str(folder))
        with torch.inference_mode():
            true = adapted.eval()(**processor.process_images([Image.fromarray(page)]))[0]
    np.save(tmp_path / "true.npy", true.numpy())
    if request.param != "as now":
        rename_weights(
            folder / "adapter_model.safetensors", "model.language_model.", "model.model."
        )
    path = folder / "adapter_config.json"
    text = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**text, "base_model_name_or_path": "vidore/colqwen2-base"}))
    return folder


def rename_weights(file: Path, old: str, new: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = {key.replace(old, new): value for key, value in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})


def test_an_adapter_is_merged_into_its_base(
    tmp_path: Path, adapter: Path, checkpoints: dict[str, Path]
) -> None:
    store = ModelStore(tmp_path / "store")
    manifest = import_document_model(
        store, look_at(adapter, checkpoints["ColQwen2"]), "colqwen2-v1.0", "", {}
    )
    assert not any("adapter" in file for file in manifest.files)
    page = prepared_for(checkpoints["ColQwen2"])
    ours = encoder_of(store, "colqwen2-v1.0").embed_images([page])[0]
    np.testing.assert_allclose(ours, np.load(tmp_path / "true.npy"), atol=2e-5)


def test_an_adapter_of_another_model_is_refused(
    tmp_path: Path, adapter: Path, checkpoints: dict[str, Path]
) -> None:
    rename_weights(adapter / "adapter_model.safetensors", "q_proj", "other_proj")
    with pytest.raises(BrokenCheckpoint, match=r"lack weights: .*lora"):
        import_document_model(
            ModelStore(tmp_path / "s"), look_at(adapter, checkpoints["ColQwen2"]), "a", "", {}
        )


def test_weights_that_are_missing_are_said_and_not_random(
    tmp_path: Path, checkpoints: dict[str, Path], name: str
) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(checkpoints[name], broken)
    weights = load_file(broken / "model.safetensors")
    gone = next(key for key in weights if "q_proj.weight" in key)
    kept = {key: value for key, value in weights.items() if key != gone}
    save_file(kept, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(BrokenCheckpoint, match=r"lacks weights: .*q_proj"):
        import_document_model(ModelStore(tmp_path / "s"), look_at(broken, None), "b", "", {})


def test_weights_that_are_none_are_said(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoints["ColQwen2"], broken)
    (broken / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(BrokenCheckpoint, match="cannot be read as a ColQwen2"):
        import_document_model(ModelStore(tmp_path / "s"), look_at(broken, None), "b", "", {})
    assert ModelStore(tmp_path / "s").ids() == []


def test_a_damaged_model_is_said_by_whoever_needs_it(
    tmp_path: Path, checkpoints: dict[str, Path]
) -> None:
    store = ModelStore(tmp_path)
    import_document_model(store, look_at(checkpoints["ColQwen2"], None), "m", "", {})
    (store.path_of("m") / "model.json").write_text("{")
    with pytest.raises(UnknownEncoder, match="is damaged"):
        load_document_encoder(settings(tmp_path, VIEWFINDER_DOCUMENT_MODEL="m"))


def test_people_import_list_verify_choose_and_remove_one(
    tmp_path: Path, checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("VIEWFINDER_DOCUMENT_MODEL", raising=False)

    def run(*arguments: str) -> str:
        answer = CliRunner().invoke(app, list(arguments))
        assert answer.exit_code == 0, answer.output
        return answer.output

    assert "ColQwen2 is ready" in run("import", str(checkpoints["ColQwen2"]))
    assert "128 a token" in run("list")
    assert "smallest cosine of a token 1.000000" in run("verify", "ColQwen2")
    assert "chosen for pages" in run("use", "ColQwen2")
    run("use", "none")
    assert "removed" in run("remove", "ColQwen2")
