"""Lets torchvision be imported beside a torch of another build."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any


def prepare_torchvision() -> None:
    """Declare the schemas of torchvision's operators where its compiled ones cannot be loaded.

    open_clip needs its transforms only, but the import looks for all operators. No effect where
    torch and torchvision are of one build.
    """
    import torch

    kept: Any = torch  # a library takes its operators with it when it is collected
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.origin or hasattr(kept, "_viewfinder_torchvision_library"):
        return
    root = Path(spec.origin).parent
    compiled = [*root.glob("_C.so"), *root.glob("_C*.so"), *root.glob("_C*.pyd")]
    if not compiled or _can_load(torch, compiled[0]):
        return
    registered = (root / "_meta_registrations.py").read_text("utf-8")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(set(re.findall(r'register_fake\(\s*"torchvision::(\w+)"', registered))):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    kept._viewfinder_torchvision_library = library


def _can_load(torch: Any, compiled: Path) -> bool:
    try:
        torch.ops.load_library(str(compiled))
    except OSError:
        return False
    return True
