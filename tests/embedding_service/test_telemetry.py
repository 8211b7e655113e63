"""The model library must not report home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_model_library_reports_to_nobody(tmp_path: Path) -> None:
    # In CI, and nowhere else, onnxruntime is silent by itself; so none of this environment but PATH.
    # Where it reports, it keeps an id of the device in the home, from its import on.
    subprocess.run(
        [sys.executable, "-c", "import embedding_service.encoders.mini"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []
