"""The student: a small convolutional network, 128x128 pixels in, 256 numbers out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIZE = 128
DIM = 256

# (expansion, kernel, stride, width); fused blocks use one 3x3 instead of 1x1 + depthwise.
FUSED = ((2, 3, 2, 32), (3, 3, 2, 48))
INVERTED = (
    (4, 3, 1, 48),
    (4, 3, 1, 48),
    (4, 3, 1, 48),
    (4, 5, 2, 80),
    (4, 3, 1, 80),
    (4, 3, 1, 80),
    (4, 5, 2, 112),
    (4, 3, 1, 112),
)
STEM = 16
LAST = 512


def conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Block(nn.Module):
    """Inverted residual, or its fused form."""

    def __init__(self, inputs: int, expansion: int, kernel: int, stride: int, width: int, fused: bool):
        super().__init__()
        hidden = inputs * expansion
        if fused:
            layers = [conv(inputs, hidden, kernel, stride)]
        else:
            layers = [conv(inputs, hidden), conv(hidden, hidden, kernel, stride, groups=hidden)]
        self.layers = nn.Sequential(*layers, conv(hidden, width, relu=False))
        self.skip = stride == 1 and inputs == width

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skip else self.layers(x)


class Student(nn.Module):
    """The mean of the last map through a linear layer, plus the means of earlier
    stages through their own: those keep colour and texture, and start at zero."""

    def __init__(self, dim: int = DIM):
        super().__init__()
        self.stem = conv(3, STEM, 3, 2)
        blocks, taps, width = [], [], STEM
        for fused, rows in ((True, FUSED), (False, INVERTED)):
            for expansion, kernel, stride, outputs in rows:
                if stride == 2 and blocks:  # the last map of a resolution
                    taps.append((len(blocks) - 1, width))
                blocks.append(Block(width, expansion, kernel, stride, outputs, fused))
                width = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = conv(width, LAST)
        self.head = nn.Linear(LAST, dim)
        self.tap_at = {index: str(index) for index, _ in taps}
        self.taps = nn.ModuleDict({str(index): nn.Linear(w, dim, bias=False) for index, w in taps})
        for tap in self.taps.values():
            nn.init.zeros_(tap.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        tapped = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.tap_at:
                tapped.append(self.taps[self.tap_at[index]](x.mean((2, 3))))
        out = self.head(self.last(x).mean((2, 3)))
        for t in tapped:
            out = out + t
        return out
