"""The latest latent numbers of every patch, so that a batch in any order has its neighbours.

A batch of graph patches, each with its neighbours, would need no memory, but its patches are alike: gradients
of the likelihood become noisier, and how the batches are made would depend on the bias. With a memory the
batches stay as they are. It holds values of the last epoch at the oldest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Energy = Callable[[Tensor], Tensor]
"""Values (n, l) of all patches to a scalar."""


class LatentMemory:
    """values (n, l) float: the latest of each patch, without gradients; known (n,) bool: those seen yet."""

    def __init__(self, n: int, size: int, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.values = torch.zeros((n, size), device=device, dtype=dtype)
        self.known = torch.zeros(n, dtype=torch.bool, device=device)

    @property
    def seen(self) -> float:
        """Share of the patches that were seen."""
        return float(self.known.float().mean())

    def remember(self, rows: Tensor, values: Tensor) -> None:
        """Keep the values (b, l) of some rows (b,)."""
        self.values[rows] = values.detach().to(self.values.dtype)
        self.known[rows] = True

    def replay(self, energy: Energy, rows: Tensor, values: Tensor) -> Tensor:
        """The energy of all known patches; its gradient to the values (b, l) of a batch's rows is that of the
        whole graph times n / b. The values have to be remembered first.

        The energy is differentiated at what is remembered, neighbours and scale included. Over batches drawn
        evenly the expected gradient of a step is thus the full one, exactly if the memory is not out of date:
        no edge counts twice when both its ends are in the batch, and none is lost when only one is.
        """
        with torch.enable_grad():
            leaf = self.values[self.known].requires_grad_()
            value = energy(leaf)
            (slope,) = torch.autograd.grad(value, leaf)
        place = torch.cumsum(self.known, 0)[rows] - 1
        pull = slope[place].to(values.dtype) * (values - values.detach())
        return value.detach().to(values.dtype) + pull.sum() * (len(leaf) / len(rows))
