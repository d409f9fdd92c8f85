"""Loaded once by the server that children are forked from: what torch would else load in each of them."""

import torch

_weight = torch.nn.Parameter(torch.zeros(2))
_weight.grad = torch.zeros(2)
torch.optim.Adam([_weight], fused=True).step()  # loads a compiler, a second
torch.nn.utils.clip_grad_norm_([_weight], 1.0)
