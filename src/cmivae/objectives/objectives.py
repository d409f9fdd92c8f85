"""The four objectives of the paper as losses: what a model's terms and critics' logits are worth, in nats an item.

All are Recon + KL(s) + (1 - gamma) KL(z), plus the mean logits of critics, each with its weight. At gamma = 0 they are
the same. ``objectives.extensions`` holds those that the paper leaves to future work.
"""

from collections.abc import Mapping

from torch import Tensor

from cmivae.errors import UserError
from cmivae.models.terms import Terms


class Objective:
    """Base of all objectives; gamma = 1 - beta. Keys of its own in ``params.yaml`` are further arguments.

    Raises:
        UserError: gamma is not in [0, 1).
    """

    def __init__(self, gamma: float):
        if not 0 <= gamma < 1:
            raise UserError(
                f"gamma is {gamma}",
                where="params.yaml:configs.*.gamma",
                why="beta = 1 - gamma weighs KL(z), so gamma is at least 0 and below 1",
                fix="choose a gamma in [0, 1)",
            )
        self.gamma = gamma

    @property
    def weights(self) -> dict[str, float]:
        """Weight of the mean logit of each critic, by its kind (``training.critics.KINDS``)."""
        return {}

    @property
    def critics(self) -> tuple[str, ...]:
        """Kinds of critics that training needs: those with a weight."""
        return tuple(kind for kind, weight in self.weights.items() if weight > 0)

    def without_critic(self, terms: Terms) -> Tensor:
        """The beta-VAE part, batch mean: Recon + KL(s) + (1 - gamma) KL(z).  -> ()"""
        return (terms.recon + terms.kl_s + (1 - self.gamma) * terms.kl_z).mean()

    def loss(self, terms: Terms, logits: Mapping[str, Tensor]) -> Tensor:
        """The loss to minimise, batch mean; ``logits`` are (B,) of each critic on the pairs of ``terms``.  -> ()

        Raises:
            ValueError: a logit that ``critics`` asks for is missing.
        """
        total = self.without_critic(terms)
        for kind in self.critics:
            if kind not in logits:
                raise ValueError(f"{type(self).__name__} with gamma {self.gamma} needs the logit of critic {kind!r}")
            total = total + self.weights[kind] * logits[kind].mean()
        return total


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
                where="params.yaml:configs.*.gamma",
                why="the ELBO has no weight",
                fix="use gamma 0.0, or another objective",
            )


class Beta(Objective):
    """beta-VAE (Eqs. 5 and 6): Recon + KL(s) + (1 - gamma) KL(z)."""


class Mi(Objective):
    """MI-VAE (Eq. 26, appendix H): beta-VAE plus gamma E_q[l(z)], an estimate of KL(q(z) || p(z))."""

    @property
    def weights(self) -> dict[str, float]:
        """gamma on the critic that tells q(z) from p(z)."""
        return {"z": self.gamma}


class Cmi(Objective):
    """CMI-VAE (Eqs. 13 and 14): beta-VAE plus gamma E_q[l(z, s)], an estimate of KL(q(z, s) || p(z) q(s))."""

    @property
    def weights(self) -> dict[str, float]:
        """gamma on the critic that tells q(z, s) from p(z) q(s)."""
        return {"zs": self.gamma}
