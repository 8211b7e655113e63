"""Stand-in pictures of a class, made from the classifier's own weights.

A linear classifier trained with cross-entropy is close to linear discriminant analysis, where
w_c = inv(Sigma) (mu_c - mu). Turned round, the mean picture of class c lies Sigma w_c away from
the mean of all pictures. So: take the features z of a real picture, take away the
evidence it holds for its own best class, and move it along Cov(z, x) w_c until class c wins by
as much as it does in real photos (x is the part of z that the classifier reads). Names of all
1,000 classes can then be learnt from without one ImageNet photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClassSpace:
    """The classifier and the directions in which its classes lie.

    shift [1000, z]: how z moves per unit of class weight; gain [1000, 1000]: how logits move.
    """

    weight: Tensor
    bias: Tensor
    shift: Tensor
    gain: Tensor

    @staticmethod
    def of(weight: Tensor, bias: Tensor, pictures: Tensor) -> ClassSpace:
        """From the classifier [1000, x] and real features [n, z], of which x come first."""
        read = weight.shape[1]
        centred = pictures - pictures.mean(0)
        covariance = centred.T @ centred[:, :read] / len(pictures)  # [z, x]
        relative = weight - weight.mean(0)
        shift = relative @ covariance.T
        return ClassSpace(weight, bias, shift, shift[:, :read] @ weight.T)

    def logits(self, features: Tensor) -> Tensor:
        """Class evidence of features [n, z]: [n, 1000]."""
        return features[:, : self.weight.shape[1]] @ self.weight.T + self.bias

    def pretend(self, pictures: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Move pictures [n, z] so that they show `classes` [n]."""
        logits = self.logits(pictures)
        best = logits.argmax(1)
        rows = torch.arange(len(pictures))
        own = logits[rows, best] - logits.mean(1)
        pictures = pictures - (own / self.gain[best, best])[:, None] * self.shift[best]
        logits = self.logits(pictures)
        margin = 4.0 + 3.0 * torch.randn(len(pictures), generator=generator)
        others = logits.logsumexp(1)
        steps = (others + margin - logits[rows, classes]) / self.gain[classes, classes]
        moved = pictures + steps.clamp(min=0)[:, None] * self.shift[classes]
        return moved.clamp(min=0)
