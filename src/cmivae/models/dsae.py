"""DSAE, "full q" (section 3.1; Li and Mandt 2018): x is a sequence, z one latent of all of it, s_t one of each step.

p(x, s, z) = p(z) prod_t p(s_t | s_<t) p(x_t | s_t, z), and q(z | x) q(s | x, z). The prior of s runs on the posterior
samples shifted by one step, so that KL(s) is that of the ELBO and every recurrent net runs over the whole sequence
at once.
"""

from typing import Any

import torch
from torch import Tensor, nn

from cmivae.models.contract import Critic, SpeechVae
from cmivae.models.critics import CriticKind, LatentCritic
from cmivae.models.init import building, fan_in_
from cmivae.models.speech_critic import SpeechCritic
from cmivae.models.terms import Terms, gaussian_kl, gaussian_kl_between, gaussian_nll, gaussian_sample
from cmivae.study import params as study

Gaussian = tuple[Tensor, Tensor]  # mean, log-variance


class Dsae(SpeechVae):
    """The model; ``params`` are those of ``params.yaml:datasets.*.model``.

    Weights are drawn from ``generator``; without one from seed 0, for a model that is loaded right after.

    Args:
        shape: (T, F) of one segment.
    """

    def __init__(
        self, params: study.Dsae, generator: torch.Generator | None = None, shape: tuple[int, ...] = (20, 201)
    ):
        super().__init__()
        self.z_dim, self.s_dim, (self.frames, self.bins) = params.z_dim, params.s_dim, shape
        self.q_s, self.var, self.min_logvar = params.q_s, params.var, params.min_logvar
        z, s, h, bins = params.z_dim, params.s_dim, params.hidden, self.bins
        with building():
            self.z_lstm = nn.LSTM(bins, h, batch_first=True, bidirectional=True)
            self.z_out = nn.Linear(2 * h, 2 * z)
            self.s_lstm = nn.LSTM(bins + z, h, batch_first=True, bidirectional=True)
            self.s_rnn = nn.RNN(2 * h + (s if params.q_s == "ar" else 0), h, batch_first=True)
            self.s_out = nn.Linear(h, 2 * s)
            self.prior = nn.LSTM(s, h, batch_first=True) if params.prior == "lstm" else _Step(s, h)
            self.prior_out = nn.Linear(h, 2 * s)
            self.decoder = nn.Sequential(
                nn.Linear(s + z, h),
                nn.ReLU(inplace=True),
                nn.Linear(h, h),
                nn.ReLU(inplace=True),
                nn.Linear(h, 2 * bins if params.var == "net" else bins),
            )
        if params.var != "net":
            self.logvar = nn.Parameter(torch.zeros(bins if params.var == "bin" else 1))  # (F,) or (1,)
        fan_in_(self, torch.Generator().manual_seed(0) if generator is None else generator)

    @torch.no_grad()
    def start_from(self, variance: Tensor) -> None:
        """Start the decoder's variance at that of the training frames.  (F,)"""
        logvar = variance.log().clamp_min(self.min_logvar)  # (F,)
        if self.var == "bin":
            self.logvar.copy_(logvar)
        elif self.var == "scalar":
            self.logvar.fill_(variance.mean().log().clamp_min(self.min_logvar))
        else:
            last = self.decoder.get_submodule(str(len(self.decoder) - 1))
            last.get_parameter("bias")[self.bins :].copy_(logvar)

    def encode(self, x: Tensor) -> Gaussian:
        """q(z | x): mean and log-variance, from the last forward and the first backward state.

        (B, T, F) -> (B, Z), (B, Z)

        Raises:
            ValueError: x has another number of bins.
        """
        if x.ndim != 3 or x.shape[2] != self.bins:
            raise ValueError(f"the encoder takes (B, T, {self.bins}), not {tuple(x.shape)}")
        _, (last, _) = _full(self.z_lstm, x)  # (2, B, H)
        mean, logvar = self.z_out(torch.cat([last[0], last[1]], dim=1)).chunk(2, dim=1)
        return mean, logvar

    def encode_s(self, x: Tensor, z: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Gaussian]:
        """A sample of q(s | x, z), and its mean and log-variance; without a generator the mean is the sample.

        (B, T, F), (B, Z) -> (B, T, S), ((B, T, S), (B, T, S))
        """
        joined = torch.cat([x, z.unsqueeze(1).expand(-1, x.shape[1], -1)], dim=2)  # (B, T, F + Z)
        features, _ = _full(self.s_lstm, joined)  # (B, T, 2H)
        if self.q_s == "ar":
            return self._feed_back(x, features, generator)
        mean, logvar = _as(x, self.s_out(_full(self.s_rnn, features)[0]).chunk(2, dim=2))  # (B, T, S), (B, T, S)
        return _draw(mean, logvar, generator), (mean, logvar)

    def prior_s(self, s: Tensor) -> Gaussian:
        """p(s_t | s_<t) at the values of ``s``: mean and log-variance; s_0 = 0.  (B, T, S) -> (B, T, S), (B, T, S)"""
        before = torch.cat([torch.zeros_like(s[:, :1]), s[:, :-1]], dim=1)  # (B, T, S)
        mean, logvar = self.prior_out(_full(self.prior, before)[0]).chunk(2, dim=2)
        return mean, logvar

    def decode(self, s: Tensor, z: Tensor) -> Gaussian:
        """p(x_t | s_t, z): mean and log-variance.  (B, T, S), (B, Z) -> (B, T, F), (B, T, F) or what expands to it"""
        *inner, last = self.decoder
        out = torch.cat([s, z.unsqueeze(1).expand(-1, s.shape[1], -1)], dim=2)  # (B, T, S + Z)
        for layer in inner:
            out = layer(out)  # (B, T, H)
        out = _full(last, out)  # a mean in bf16 would be coarser than the noise of x
        mean, logvar = out.chunk(2, dim=2) if self.var == "net" else (out, self.logvar)
        return mean, logvar.clamp_min(self.min_logvar)

    def forward(self, x: Tensor, generator: torch.Generator) -> Terms:
        """All terms of the ELBO (Eq. 2) with one sample of z and then of s.  x (B, T, F)"""
        mean, logvar = (term.to(x.dtype) for term in self.encode(x))  # (B, Z)
        z = gaussian_sample(mean, logvar, generator)  # (B, Z)
        s, posterior = self.encode_s(x, z, generator)  # (B, T, S)
        kl_s = gaussian_kl_between(*_as(x, posterior), *_as(x, self.prior_s(s))).sum(1)  # (B,)
        recon = gaussian_nll(x, *_as(x, self.decode(s, z))).sum(1)  # (B,)
        return Terms(z, mean, logvar, s.to(x.dtype), recon, gaussian_kl(mean, logvar), kl_s)

    def latents(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One sample of (z, s) without the likelihood, for critics.  (B, T, F) -> (B, Z), (B, T, S)"""
        mean, logvar = (term.to(x.dtype) for term in self.encode(x))
        z = gaussian_sample(mean, logvar, generator)
        return z, self.encode_s(x, z, generator)[0].to(x.dtype)

    def means(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior means of z, and of s at the mean of z.  (B, T, F) -> (B, Z), (B, T, S)"""
        z, _ = self.encode(x)
        return z, self.encode_s(x, z, None)[1][0]

    def make_critic(self, kind: CriticKind, params: study.SpeechCritic, generator: torch.Generator) -> Critic:
        """The critic on (z, s) or on z that fits this model."""
        if kind == "z":
            return LatentCritic(params, self.z_dim, generator)
        return SpeechCritic(params, self.s_dim, self.bins, self.z_dim, generator)

    def _feed_back(self, x: Tensor, features: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Gaussian]:
        """q(s_t | x, z, s_<t): the sampled s_(t-1) joins the recurrent net's input, so step after step (Eq. 2)."""
        before, state, steps = features.new_zeros(len(features), self.s_dim), None, []
        for t in range(features.shape[1]):
            joined = torch.cat([features[:, t], before.to(features.dtype)], dim=1).unsqueeze(1)  # (B, 1, 2H + S)
            out, state = _full(self.s_rnn, joined, state)
            mean, logvar = _as(x, self.s_out(out[:, 0]).chunk(2, dim=1))  # (B, S), (B, S)
            before = _draw(mean, logvar, generator)
            steps.append((before, mean, logvar))
        s, mean, logvar = (torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))
        return s, (mean, logvar)


class _Step(nn.Module):
    """p(s_t | s_(t-1)) without memory, called as a recurrent net is."""

    def __init__(self, s_dim: int, hidden: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(s_dim, hidden), nn.Tanh())

    def forward(self, before: Tensor) -> tuple[Tensor, None]:
        """(B, T, S) -> (B, T, H)"""
        return self.net(before), None


def _full(net: nn.Module, x: Tensor, *more: Tensor | None) -> Any:
    """``net(x, *more)`` in its own precision also under autocast, which would run cuDNN's recurrent nets in float16."""
    kind = x.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return net(x, *more)
    with torch.autocast(kind, enabled=False):
        return net(x.to(next(net.parameters()).dtype), *more)


def _draw(mean: Tensor, logvar: Tensor, generator: torch.Generator | None) -> Tensor:
    return mean if generator is None else gaussian_sample(mean, logvar, generator)


def _as(x: Tensor, pair: Gaussian) -> Gaussian:
    """Both in the precision of x, in which sums over thousands of values are kept also under bf16."""
    return pair[0].to(x.dtype), pair[1].to(x.dtype)
