"""Sessions of ONNX Runtime that are good neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

_ERRORS_ONLY = 3


def make_session(
    model: bytes | Path, threads: int, providers: tuple[str, ...] = ("CPUExecutionProvider",)
) -> Any:
    """A session whose runs use `threads` inside an operation."""
    runtime: Any = onnxruntime  # its names are re-exported without declaring them
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Idle threads must not spin: other services share these cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = str(model) if isinstance(model, Path) else model
    return runtime.InferenceSession(source, options, providers=list(providers))
