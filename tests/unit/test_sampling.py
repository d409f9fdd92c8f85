"""The fast sampler draws the images of the obvious one, pixel for pixel."""

import logging
import time

import pytest
import torch

from cmivae.evaluation.sampling import FastSampler, make_sampler, sample_reference
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.study import params as study

SMALL = {
    "name": "pixelcnn_vae",
    "kernels": (7, 3, 5),
    "cut": 2,
    "channels": 6,
    "z_dim": 3,
    "encoder_channels": 2,
    "encoder_out": 4,
}
VARIANTS = [
    {},
    {"block": "plain"},
    {"z_inject": "once"},
    {"z_inject": "input"},
    {"z_inject": "input", "block": "plain"},
    {"kernels": (5, 5, 3, 3), "channels": 5, "z_maps": 1},
]


def trained(params: study.PixelCnnVae, seed: int, gain: float = 8.0) -> PixelCnnVae:
    """A net whose batch normalisation, weights and biases included, is far from the identity."""
    draw = torch.Generator().manual_seed(seed)
    model = PixelCnnVae(params, draw)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=draw)
                module.bias.uniform_(-0.5, 0.5, generator=draw)
        model.head[-1].weight.mul_(gain)  # logits of a small net far enough apart to matter
        for _ in range(5):
            model((torch.rand(4, 1, 28, 28, generator=draw) < 0.5).float(), draw)
    return model


def inputs(model: PixelCnnVae, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, model.z_dim, generator=draw), torch.rand(count, 784, generator=draw)


def teacher_forced(model: PixelCnnVae, images: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.eval().logits(images[:, None].float(), z)[:, 0]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_fast_sampler_equals_the_reference(changes):
    model = trained(study.PixelCnnVae(**{**SMALL, **changes}), seed=1)
    z, u = inputs(model, 3, seed=2)
    images, logits = FastSampler(model).images_and_logits(z, u, chunk=2)
    assert torch.equal(images, sample_reference(model, z, u))
    assert (images.dtype, images.shape) == (torch.uint8, (3, 28, 28))
    assert 0.02 < images.float().mean() < 0.98
    expected = teacher_forced(model, images, z)
    assert expected.std() > 0.3
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    assert torch.equal(images.bool(), logits > torch.logit(u).view(3, 28, 28))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the sampler's CUDA graph is not run here")
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_on_a_gpu_a_graph_draws_the_images_of_the_reference(changes):
    model = trained(study.PixelCnnVae(**{**SMALL, **changes}), seed=1)
    z, u = inputs(model, 5, seed=2)
    on_cpu, expected = FastSampler(model).images_and_logits(z, u)
    sampler = FastSampler(model.cuda())
    images, logits = sampler.images_and_logits(z.cuda(), u.cuda(), chunk=2)  # the last chunk is not full
    assert torch.equal(images, sample_reference(model, z.cuda(), u.cuda()))
    assert torch.equal(images, sampler(z.cuda(), u.cuda(), chunk=2))  # by the same graphs
    assert torch.equal(images.cpu(), on_cpu)
    torch.testing.assert_close(logits.cpu(), expected, rtol=0, atol=1e-4)


def test_images_follow_z_and_u_and_not_the_chunk():
    model = trained(study.PixelCnnVae(**SMALL), seed=3)
    z, u = inputs(model, 4, seed=4)
    other_z, other_u = inputs(model, 4, seed=5)
    sampler = FastSampler(model)
    images = sampler(z, u)
    assert torch.equal(images, sampler(z, u, chunk=1))
    assert not torch.equal(images, sampler(other_z, u))
    assert not torch.equal(images, sampler(z, other_u))
    assert sampler(z[:0], u[:0]).shape == (0, 28, 28)


def test_extreme_uniforms_decide_every_pixel_and_the_model_stays_as_it_was():
    model = trained(study.PixelCnnVae(**SMALL), seed=6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    z, _ = inputs(model, 2, seed=7)
    u = torch.tensor([[1e-20], [1 - 1e-7]]).expand(2, 784)
    for images in (FastSampler(model)(z, u), sample_reference(model, z, u)):
        assert (images[0] == 1).all()
        assert (images[1] == 0).all()
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_models_that_the_fast_one_cannot_do_go_loudly_to_the_reference(caplog):
    model = trained(study.PixelCnnVae(**{**SMALL, "long_skips": "he"}), seed=10)
    z, u = inputs(model, 1, seed=11)
    with pytest.raises(ValueError, match="long_skips"):
        FastSampler(model)
    with caplog.at_level(logging.WARNING):
        sampler = make_sampler(model)
    assert "784 full forward passes" in caplog.text
    images = sampler(z, u)
    assert torch.equal(images.bool(), teacher_forced(model, images, z) > torch.logit(u).view(1, 28, 28))
    assert isinstance(make_sampler(trained(study.PixelCnnVae(**SMALL), seed=12)), FastSampler)


def test_logits_at_paper_size():
    model = trained(study.PixelCnnVae(name="pixelcnn_vae"), seed=13, gain=1.0)
    z, u = inputs(model, 3, seed=14)
    images, logits = FastSampler(model).images_and_logits(z, u)
    torch.testing.assert_close(logits, teacher_forced(model, images, z), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_images_at_paper_size():
    model = trained(study.PixelCnnVae(name="pixelcnn_vae"), seed=15)
    z, u = inputs(model, 2, seed=16)
    assert torch.equal(FastSampler(model)(z, u), sample_reference(model, z, u))


@pytest.mark.slow
def test_speed_at_paper_size():
    model = trained(study.PixelCnnVae(name="pixelcnn_vae"), seed=17).eval()
    z, u = inputs(model, 100, seed=18)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = time.process_time()
        images = FastSampler(model)(z, u)
        fast = time.process_time() - start
        start = time.process_time()
        teacher_forced(model, images, z)
        naive = 784 * (time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    assert naive / fast >= 300
