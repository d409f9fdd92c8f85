"""The critics of one run and their own updates: two steps for each step of the VAE, on detached z and s (section 4)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cmivae.models.contract import Critic
from cmivae.objectives.density_ratio import critic_loss, prior, shuffled
from cmivae.study.params import Train
from cmivae.training.devices import autocast

# Of CMI-VAE, of MI-VAE, of the estimate of I(z;s), and of objectives that weigh I(z;s) by itself. The place of a kind
# is in the seed of its critic: new ones go to the end.
KINDS = ("zs", "z", "estimator", "dependence")
Marginal = Callable[[Tensor, torch.Generator], Tensor]


@dataclass
class Contender:
    """A critic in training: the network, its optimiser, and how its negatives are drawn."""

    module: Critic
    optimiser: torch.optim.Optimizer
    marginal: Marginal
    generator: torch.Generator
    precision: str = "float32"
    compiled: bool = False
    norm: Tensor = field(default_factory=lambda: torch.zeros(()))  # of the gradient of the last update

    def __post_init__(self) -> None:
        """The net e(s), the costly part of a critic, is what ``torch.compile`` fuses."""
        self.embed = torch.compile(self.module.embed) if self.compiled else self.module.embed

    def logit(self, x: Tensor, z: Tensor, s: Tensor) -> Tensor:
        """l(z, s) of pairs.  (B, ...), (B, Z), (B, ...) -> (B,)"""
        return self.module.logit(self.embed(s, x), z)

    def step(self, x: Tensor, z: Tensor, s: Tensor) -> Tensor:
        """One update by Eq. 12 on samples of q(z, s); returns the loss in nats.  (B, …), (B, Z), (B, …) -> ()"""
        negatives = self.marginal(z, self.generator)  # (B, Z)
        with autocast(z.device, self.precision):
            embedded = self.embed(s, x)  # (B, Z): serves joint and marginal pairs
            loss = critic_loss(self.module.logit(embedded, z), self.module.logit(embedded, negatives))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [weight.grad for weight in self.module.parameters() if weight.grad is not None]
        self.norm = nn.utils.get_total_norm(gradients)
        self.optimiser.step()
        return loss.detach()

    def state(self) -> dict:
        """All that a resume needs."""
        return {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict) -> None:
        """Inverse of ``state``."""
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])


def marginal_of(kind: str) -> Marginal:
    """Negatives: p(z)q(s) and p(z) take fresh samples of the prior, q(z)q(s) a derangement of the batch."""
    return shuffled if kind in ("estimator", "dependence") else prior


def build_contender(kind: str, module: Critic, train: Train, generator: torch.Generator) -> Contender:
    """A critic with its Adam (appendix G.2)."""
    optimiser = adam(module, train.critic_lr, train)
    return Contender(module, optimiser, marginal_of(kind), generator, train.precision, train.compile)


def adam(module: nn.Module, lr: float, train: Train) -> torch.optim.Adam:
    """The optimiser of all networks (appendix G.2); on a GPU one that a CUDA graph can hold."""
    weights = list(module.parameters())
    return torch.optim.Adam(weights, lr=lr, betas=train.adam_betas, fused=True, capturable=weights[0].is_cuda)
