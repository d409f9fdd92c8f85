"""Loaded once by the server that children are forked from: what each of them would else load and work out anew."""

import studies
import torch
import yaml

from cmivae.provenance.environment import environment, git_state
from cmivae.provenance.specs import Study
from cmivae.study.loading import parse_params

_weight = torch.nn.Parameter(torch.zeros(2))
_weight.grad = torch.zeros(2)
torch.optim.Adam([_weight], fused=True).step()  # loads a compiler, a second
torch.nn.utils.clip_grad_norm_([_weight], 1.0)
Study(parse_params(yaml.safe_load(studies.text())))  # digests of all code, another second
environment(), git_state()
