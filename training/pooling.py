"""Backbone maps to the one vector a picture that the heads read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.backbone import Backbone
from training.features import Features

ROWS = 64


def pool(features: Features, backbone: Backbone) -> Tensor:
    """float16 [n, 2800]: mean and max of the last layer (1,280 each), middle layer (240).

    The mean comes first: it is what the classifier reads.
    """
    pooled = []
    with torch.inference_mode():
        for start in range(0, len(features), ROWS):
            rows = slice(start, start + ROWS)
            grid = torch.from_numpy(features.maps[rows].astype(np.float32))
            last = (grid @ backbone.head_weight.T + backbone.head_bias).clamp(0, 6)
            middle = torch.from_numpy(features.middle[rows].astype(np.float32))
            pooled.append(torch.cat([last.mean(1), last.amax(1), middle], 1).half())
    return torch.cat(pooled)
