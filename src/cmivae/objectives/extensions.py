"""Objectives that the paper names as future work (section 6, appendix K.2), on the contract of ``objectives``.

Off unless a configuration asks for them; docs/extensions.md says what each is for and shows that it runs. I(z;s) is
estimated without the prior's part here: critic ``dependence`` tells q(z, s) from q(z) q(s), in training.
"""

from collections.abc import Mapping

from torch import Tensor

from cmivae.errors import UserError
from cmivae.models.terms import Terms
from cmivae.objectives.mmd import mmd_to_prior
from cmivae.objectives.objectives import Objective


class CmiAlpha(Objective):
    """alpha > 1 in Eq. 8 with the paper's one critic: beta-VAE plus gamma alpha E_q[l(z, s)].

    As l(z, s) estimates I(z;s) + KL(q(z) || p(z)), alpha weighs that KL too; ``CmiSplit`` does not.

    Raises:
        UserError: alpha is not above 1.
    """

    def __init__(self, gamma: float, alpha: float):
        super().__init__(gamma)
        self.alpha = _above(alpha, 1.0, "alpha", "with alpha 1 it is objective cmi")

    @property
    def weights(self) -> dict[str, float]:
        """gamma alpha on the critic that tells q(z, s) from p(z) q(s)."""
        return {"zs": self.gamma * self.alpha}


class CmiSplit(Objective):
    """I(x;z) and I(z;s) estimated and weighed apart: beta-VAE plus gamma E_q[l(z)] plus weight_zs E_q[l(z, s)].

    gamma weighs I(x;z) = KL(z) - KL(q(z) || p(z)), ``weight_zs`` weighs I(z;s). weight_zs = gamma alpha is Eq. 8 for
    any alpha, and gamma 0 leaves the I(z;s) term alone.

    Raises:
        UserError: weight_zs is not above 0.
    """

    def __init__(self, gamma: float, weight_zs: float):
        super().__init__(gamma)
        self.weight_zs = _above(weight_zs, 0.0, "weight_zs", "with weight_zs 0 it is objective mi")

    @property
    def weights(self) -> dict[str, float]:
        """gamma on the critic of q(z) and p(z), weight_zs on the one of q(z, s) and q(z) q(s)."""
        return {"z": self.gamma, "dependence": self.weight_zs}


class MiMmd(Objective):
    """InfoVAE with MMD: the critic of MI-VAE replaced by gamma mmd_weight MMD^2(q(z), p(z)).

    ``mmd_weight`` brings MMD^2, which is at most 2, to the scale of the nats that it stands for.

    Raises:
        UserError: mmd_weight is not above 0.
    """

    def __init__(self, gamma: float, mmd_weight: float):
        super().__init__(gamma)
        self.mmd_weight = _above(mmd_weight, 0.0, "mmd_weight", "with mmd_weight 0 it is objective beta")

    def loss(self, terms: Terms, logits: Mapping[str, Tensor]) -> Tensor:
        """As ``Objective.loss``, with the MMD of the batch's z.  -> ()"""
        return super().loss(terms, logits) + self.gamma * self.mmd_weight * mmd_to_prior(terms.z)


class CmiMmd(MiMmd):
    """The same with the I(z;s) term: beta-VAE plus gamma mmd_weight MMD^2(q(z), p(z)) plus gamma E_q[l(z, s)]."""

    @property
    def weights(self) -> dict[str, float]:
        """gamma on the critic that tells q(z, s) from q(z) q(s)."""
        return {"dependence": self.gamma}


def _above(value: float, least: float, name: str, why: str) -> float:
    if not value > least:
        raise UserError(
            f"{name} is {value}", where=f"params.yaml:configs.*.{name}", why=why, fix=f"choose a {name} above {least:g}"
        )
    return value
