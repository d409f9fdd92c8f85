"""Which items a step is made on: drawn beforehand and on the device, so that no step waits for a copy of them."""

import torch
from torch import Tensor

BATCHES = 1000  # then again from the first


class Batches:
    """Indices of random batches, one after the other."""

    def __init__(self, items: int, size: int, device: torch.device | str):
        drawn = torch.randint(items, (BATCHES, size), generator=torch.Generator().manual_seed(2))
        self.indices, self.taken = drawn.to(device), 0

    def next(self) -> Tensor:
        """The next batch.  (B,)"""
        self.taken += 1
        return self.indices[(self.taken - 1) % BATCHES]
