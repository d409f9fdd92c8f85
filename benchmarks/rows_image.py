"""Rows of PixelCNN-VAE: training steps and sampling."""

import copy

import torch
from measure import Case, Row, number
from ours import GAMMA, OurTraining, binary_images, image_items
from peers_image import PlainTraining, plain_twin
from sizes import Sizes
from torch import Tensor, nn

from cmivae.evaluation.sampling import make_sampler
from cmivae.models.critics import frozen
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.objectives.density_ratio import critic_loss
from cmivae.study import params as study

ITEMS = 512  # images of which batches are taken
SIZE = 784  # pixels, each a forward of the naive sampler
FORWARDS = 10  # of the naive sampler on a GPU, one after the other, in one timing
CHECKED = 3  # images in a comparison in float64


def beta_step(sizes: Sizes) -> Case:
    """beta-VAE: our step against dense masked convolutions."""
    ours, peer = _ours(sizes), _peer(sizes)
    return Case(
        ours.step, peer.step, lambda: step_difference(sizes.image, sizes.critic, sizes.device, with_critic=False),
        check=ours.check,
    )  # fmt: skip


def plain_block_step(sizes: Sizes) -> Case:
    """The same for ``block: plain``, 64 to 64 channels without bottlenecks."""
    image = sizes.image.model_copy(update={"block": "plain"})
    ours, peer = _ours(sizes, image=image), _peer(sizes, image=image)
    return Case(ours.step, peer.step, lambda: step_difference(image, sizes.critic, sizes.device, with_critic=False))


def cmi_step(sizes: Sizes, d_batch: str = "same") -> Case:
    """CMI-VAE: our step against the transcription."""
    train = sizes.train.model_copy(update={"d_batch": d_batch})
    ours, peer = _ours(sizes, critic=True, train=train), _peer(sizes, critic=True)
    return Case(
        ours.step, peer.step, lambda: step_difference(sizes.image, sizes.critic, sizes.device, with_critic=True),
        check=ours.check,
    )  # fmt: skip


def cmi_over_beta(sizes: Sizes) -> Case:
    """What CMI-VAE costs over beta-VAE: both are ours, and the ratio is to be small."""
    return Case(_ours(sizes).step, _ours(sizes, critic=True).step, None)


def plain_cmi_over_beta(sizes: Sizes) -> Case:
    """The same for ``block: plain``, whose trunk weighs more beside the critics."""
    image = sizes.image.model_copy(update={"block": "plain"})
    return Case(_ours(sizes, image=image).step, _ours(sizes, critic=True, image=image).step, None)


def compiled_step(sizes: Sizes, critic: bool) -> Case:
    """Our own step with ``train.compile`` against the same without."""
    train = sizes.train.model_copy(update={"compile": True})
    return Case(_ours(sizes, critic, train).step, _ours(sizes, critic).step, None)


def sampling(sizes: Sizes) -> Case:
    """Whole images by the cached sampler; of the naive one's 784 forwards one is timed."""
    model = PixelCnnVae(sizes.image).to(sizes.device).eval()
    twin = plain_twin(model, sizes.image).eval()
    drawn = torch.Generator().manual_seed(0)
    z, u = (
        torch.randn(sizes.samples, sizes.image.z_dim, generator=drawn),
        torch.rand(sizes.samples, SIZE, generator=drawn),
    )
    z, u = z.to(sizes.device), u.to(sizes.device)
    images, sampler = torch.zeros(sizes.samples, 1, 28, 28, device=sizes.device), make_sampler(model)

    @torch.inference_mode()
    def one_forward(x: Tensor = images) -> Tensor:
        return twin.logits(x, z)[0]

    def difference() -> float:
        found, logits = sampler.images_and_logits(z, u)
        return number((one_forward(found.unsqueeze(1).float())[:, 0] - logits).abs().max().item())

    # On a GPU one forward is too short to be timed alone.
    calls = 1 if sizes.device == "cpu" else FORWARDS
    return Case(lambda: sampler(z, u), lambda: [one_forward() for _ in range(calls)], difference, factor=SIZE / calls)


def _ours(
    sizes: Sizes, critic: bool = False, train: study.Train | None = None, image: study.PixelCnnVae | None = None
) -> OurTraining:
    model = PixelCnnVae(image or sizes.image).to(sizes.device, memory_format=torch.channels_last)
    judge = model.make_critic("zs", sizes.critic, torch.Generator().manual_seed(0)) if critic else None
    if judge is not None:
        judge = judge.to(sizes.device, memory_format=torch.channels_last)
    items = image_items(ITEMS, sizes.device)
    return OurTraining(model, train or sizes.train, items, judge, graph=sizes.graph)


def _peer(sizes: Sizes, critic: bool = False, image: study.PixelCnnVae | None = None) -> PlainTraining:
    image = image or sizes.image
    model = PixelCnnVae(image).to(sizes.device)
    judge = model.make_critic("zs", sizes.critic, torch.Generator().manual_seed(0)) if critic else None
    data = binary_images(ITEMS, sizes.device).unsqueeze(1).float()
    judge = judge if judge is None else judge.to(sizes.device)
    return PlainTraining(plain_twin(model, image), sizes.train, data, GAMMA, judge)


def step_difference(image: study.PixelCnnVae, critic: study.Critic, device: str = "cpu", *, with_critic: bool) -> float:
    """The largest relative difference in float64 of both losses and of all their gradients, on one batch.

    Gradients are divided by the largest of their tensor; those of dead weights, which He et al.'s way of masking
    computes and never uses, are left out.
    """
    model = PixelCnnVae(image).to(device).double().train()
    judge = model.make_critic("zs", critic, torch.Generator().manual_seed(0)) if with_critic else None
    judge = None if judge is None else judge.to(device).double()
    x = binary_images(CHECKED, device).unsqueeze(1).double()
    twin, other = plain_twin(model, image).train(), copy.deepcopy(judge)
    plain = PlainTraining(twin, study.Train(epochs=1), x, GAMMA, other)
    terms = model(x, torch.Generator(device).manual_seed(1))
    worst = 0.0
    if judge is not None:
        worst = _critic_difference(judge, plain, x, terms.z.detach(), terms.s.detach())
    loss = terms.recon + (1 - GAMMA) * terms.kl_z
    if judge is not None:
        with frozen(judge):
            loss = loss + GAMMA * judge.logit(judge.embed(terms.s, x), terms.z)
    ours, theirs = loss.mean(), plain.vae_loss(x)
    ours.backward(), theirs.backward()
    return max(worst, _relative(ours, theirs), _gradients(model, twin))


def _critic_difference(judge: nn.Module, plain: PlainTraining, x: Tensor, z: Tensor, s: Tensor) -> float:
    drawn = torch.Generator(z.device).manual_seed(3)
    negatives = torch.randn(z.shape, generator=drawn, device=z.device, dtype=z.dtype)
    embedded = judge.embed(s, x)
    ours = critic_loss(judge.logit(embedded, z), judge.logit(embedded, negatives))
    theirs = plain.critic_loss(x, z, s, negatives)
    ours.backward(), theirs.backward()
    found = max(_relative(ours, theirs), _gradients(judge, plain.critic))
    plain.critic.zero_grad(), judge.zero_grad()
    return found


def _gradients(ours: nn.Module, theirs: nn.Module) -> float:
    masks = {f"{name}.weight": module.mask for name, module in theirs.named_modules() if hasattr(module, "mask")}
    found = {name: parameter.grad * masks.get(name, 1.0) for name, parameter in theirs.named_parameters()}
    least = 1e-4 * max(gradient.abs().max() for gradient in found.values())  # some are 0 but for rounding
    pairs = [(parameter.grad, found[name]) for name, parameter in ours.named_parameters()]
    return max(_relative(a, b, least) for a, b in pairs)


def _relative(a: Tensor, b: Tensor, least: Tensor | float = 0.0) -> float:
    return number(((a - b).abs().max() / b.abs().max().clamp_min(least)).item())


FLOAT64 = "losses and gradients of one batch, in float64"
ROWS = [
    Row("beta_step", "β-VAE step, batch 50", "He-style masks: dense k x k convolutions, the same network",
        beta_step, FLOAT64, 1e-9, bar=1.4, stretch=1.8),
    Row("plain_step", "the same, block: plain (64 to 64 channels)", "He-style masks", plain_block_step, FLOAT64, 1e-9),
    Row("cmi_step", "CMI-VAE step, batch 50", "plain transcription, a fresh batch for each critic update",
        cmi_step, FLOAT64, 1e-9, bar=1.8, stretch=2.3),
    Row("cmi_step_fresh", "the same with d_batch: fresh", "the same transcription",
        lambda sizes: cmi_step(sizes, "fresh"), FLOAT64, 1e-9),
    Row("cmi_over_beta", "β-VAE step, batch 50", "our own CMI-VAE step", cmi_over_beta, "not the same thing",
        bar=1.7, stretch=1.45, at_most=True),
    Row("plain_cmi_over_beta", "the same, block: plain", "our own CMI-VAE step", plain_cmi_over_beta,
        "not the same thing", at_most=True),
    Row("sampling", "100 images, cached sampler", "naive: 784 full forwards, extrapolated from one",
        sampling, "logits of all pixels, float32", 1e-5, bar=600, stretch=1500),
]  # fmt: skip
ON_REQUEST = [  # a minute of compiling first
    Row("beta_compiled", "β-VAE step, batch 50, compiled", "our own, plain", lambda sizes: compiled_step(sizes, False),
        "losses, in tests/training/test_compile.py"),
    Row("cmi_compiled", "CMI-VAE step, batch 50, compiled", "our own, plain", lambda sizes: compiled_step(sizes, True),
        "losses, in tests/training/test_compile.py"),
]  # fmt: skip
