"""Encoders: text and pixels into one vector space."""

from __future__ import annotations

import os

# Before any module here imports onnxruntime: since 1.29 its Linux builds report to their maker
# from the import on, unless they are told not to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
