"""The model library must not report home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_model_library_reports_to_nobody(tmp_path: Path) -> None:
    # In CI onnxruntime is silent by itself, so nothing of this environment but PATH is passed on.
    # Where it reports, it keeps an id of the device in the home, from its import on.
    subprocess.run(
        [sys.executable, "-c", "import embedding_service.encoders.mini"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []
