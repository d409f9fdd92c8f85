"""The four objectives as losses: what a model's terms and a critic's logit are worth, in nats an item.

All are Recon + KL(s) + (1 - gamma) KL(z), plus gamma times the mean logit of the critic where there is one.
At gamma = 0 they are the same.
"""

from typing import ClassVar, Literal

from torch import Tensor

from cmivae.errors import UserError
from cmivae.models.terms import Terms


class Objective:
    """Base of all objectives; gamma = 1 - beta.

    Raises:
        UserError: gamma is not in [0, 1).
    """

    critic: ClassVar[Literal["zs", "z"] | None] = None  # whose logit enters the loss

    def __init__(self, gamma: float):
        if not 0 <= gamma < 1:
            raise UserError(
                f"gamma is {gamma}",
                where="params.yaml:configs",
                why="beta = 1 - gamma weighs KL(z), so gamma is at least 0 and below 1",
                fix="choose a gamma in [0, 1)",
            )
        self.gamma = gamma

    @property
    def uses_critic(self) -> bool:
        """Whether training needs a critic at this gamma."""
        return self.critic is not None and self.gamma > 0

    def without_critic(self, terms: Terms) -> Tensor:
        """The beta-VAE part, batch mean: Recon + KL(s) + (1 - gamma) KL(z).  -> ()"""
        return (terms.recon + terms.kl_s + (1 - self.gamma) * terms.kl_z).mean()

    def loss(self, terms: Terms, logit: Tensor | None) -> Tensor:
        """The loss to minimise, batch mean; ``logit`` (B,) is the critic's on the pairs of ``terms``.  -> ()

        Raises:
            ValueError: the logit that ``uses_critic`` asks for is missing.
        """
        if not self.uses_critic:
            return self.without_critic(terms)
        if logit is None:
            raise ValueError(f"{type(self).__name__} with gamma {self.gamma} needs the logit of its critic")
        return self.without_critic(terms) + self.gamma * logit.mean()


class Vanilla(Objective):
    """The ELBO (Eqs. 2 and 3): Recon + KL(s) + KL(z).

    Raises:
        UserError: gamma is not 0.
    """

    def __init__(self, gamma: float = 0.0):
        super().__init__(gamma)
        if gamma != 0:
            raise UserError(
                f"objective vanilla with gamma {gamma}",
                where="params.yaml:configs",
                why="the ELBO has no weight",
                fix="use gamma 0.0, or another objective",
            )


class Beta(Objective):
    """beta-VAE (Eqs. 5 and 6): Recon + KL(s) + (1 - gamma) KL(z)."""


class Mi(Objective):
    """MI-VAE (Eq. 26, appendix H): beta-VAE plus gamma E_q[l(z)], an estimate of KL(q(z) || p(z))."""

    critic = "z"


class Cmi(Objective):
    """CMI-VAE (Eqs. 13 and 14): beta-VAE plus gamma E_q[l(z, s)], an estimate of KL(q(z, s) || p(z) q(s))."""

    critic = "zs"
