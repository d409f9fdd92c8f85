"""PixelCNN-VAE: what may depend on what, known sizes, and the masked convolution against the dense one."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cmivae.models.encoders import ConvEncoder, ResNetEncoder
from cmivae.models.masked import MaskedConv2d
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.models.terms import gaussian_kl
from cmivae.study import params as study

SMALL = {
    "name": "pixelcnn_vae",
    "kernels": (5, 3, 5, 3, 3, 3),
    "cut": 3,
    "channels": 6,
    "z_dim": 3,
    "z_maps": 2,
    "encoder_channels": 4,
    "encoder_out": 8,
}
VARIANTS = [
    {},
    {"block": "plain"},
    {"z_inject": "once"},
    {"z_inject": "input"},
    {"z_inject": "input", "block": "plain"},
    {"long_skips": "within"},
    {"long_skips": "he"},
    {"long_skips": "within", "block": "plain", "cut": 2},
    {"encoder": "conv"},
    {"cut": 1},
    {"cut": 5},
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (torch.rand(count, 1, 28, 28, generator=generator(seed)) < 0.4).to(dtype)


def small_model(**changes) -> PixelCnnVae:
    """A double-precision net whose batch normalisation has seen data and is then used in eval mode."""
    model = PixelCnnVae(study.PixelCnnVae(**{**SMALL, **changes}), generator(2)).double()
    with torch.no_grad():
        for seed in range(3):
            model(images(4, seed), generator(seed))
    return model.eval()


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def dense_reference(x: torch.Tensor, weight: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, weight * mask, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_masked_convolution_equals_the_dense_one_with_gradients(kernel, mask_type):
    with torch.random.fork_rng(devices=[]):
        conv = MaskedConv2d(3, 4, kernel, mask_type).double()
    centre = kernel * kernel // 2
    mask = torch.zeros(kernel * kernel, dtype=torch.float64)
    mask[: centre + (mask_type == "B")] = 1
    x = torch.randn(2, 3, 9, 8, generator=generator(), dtype=torch.float64, requires_grad=True)
    out, dense = conv(x), dense_reference(x, conv.weight, mask.view(kernel, kernel))
    up = torch.randn(out.shape, generator=generator(1), dtype=torch.float64)
    ours = torch.autograd.grad(out, (x, conv.weight), up)
    theirs = torch.autograd.grad(dense, (x, conv.weight), up)
    torch.testing.assert_close(out, dense, rtol=0, atol=1e-12)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_masked_convolution_refuses_an_even_kernel():
    with pytest.raises(ValueError, match="odd kernel"):
        MaskedConv2d(1, 1, 4, "A")


def test_sizes_of_the_paper():
    model = PixelCnnVae(study.PixelCnnVae(name="pixelcnn_vae"))
    assert parameters(model.encoder) == 752_448
    assert parameters(model) - parameters(model.encoder) == 504_129
    assert parameters(model.z_linear) == 103_488  # part of the decoder's count
    assert (model.z_dim, model.s_channels, model.image_size) == (32, 64, 28)


def test_receptive_fields_at_paper_size():
    model = PixelCnnVae(study.PixelCnnVae(name="pixelcnn_vae"), generator(3)).double().eval()
    x = images(1).requires_grad_()
    z = torch.randn(1, 32, generator=generator(), dtype=torch.float64)
    s = model.features(x)
    (to_s,) = torch.autograd.grad(s[0, :, 27, 27].sum(), x, retain_graph=True)
    seen = to_s[0, 0] != 0
    assert seen.sum() == 323
    assert 27 - seen.any(1).nonzero()[0].item() == 17
    (to_x,) = torch.autograd.grad(model.decode(s, z)[0, 0, 27, 27], x)
    assert (to_x != 0).sum() == 783
    assert to_x[0, 0, 27, 27] == 0


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_causality(changes):
    model, x = small_model(**changes), images(1).requires_grad_()
    z = torch.randn(1, 3, generator=generator(), dtype=torch.float64)
    s, logits = model.features(x, z), model.logits(x, z)
    for row, column in [(0, 0), (0, 5), (3, 0), (9, 27), (13, 14), (27, 27)]:
        for out in (s[0, :, row, column].sum(), logits[0, 0, row, column]):
            (to_x,) = torch.autograd.grad(out, x, retain_graph=True, allow_unused=True)
            assert (to_x.flatten()[row * 28 + column :] == 0).all()
            if row:
                assert to_x.abs().sum() > 0


@settings(max_examples=8, deadline=None)
@given(pixel=st.integers(0, 783), seed=st.integers(0, 1000))
def test_later_pixels_change_no_bit(pixel, seed):
    model, x = small_model(), images(2, seed)
    z = torch.randn(2, 3, generator=generator(seed), dtype=torch.float64)
    changed = x.clone()
    changed.flatten(1)[:, pixel:] = 1 - changed.flatten(1)[:, pixel:]
    with torch.no_grad():
        before, after = model.logits(x, z).flatten(1), model.logits(changed, z).flatten(1)
        s_before, s_after = model.features(x).flatten(2), model.features(changed).flatten(2)
    assert torch.equal(before[:, : pixel + 1], after[:, : pixel + 1])
    assert torch.equal(s_before[:, :, : pixel + 1], s_after[:, :, : pixel + 1])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_terms_fit_together(changes):
    model, x = small_model(**changes), images(3)
    with torch.no_grad():
        terms = model(x, generator(5))
        s, logits = model.features(x, terms.z), model.logits(x, terms.z)
        mean, logvar = model.encode(x)
    assert terms.s.shape == (3, 6, 28, 28)
    assert torch.equal(terms.s, s)
    assert torch.equal(terms.z_mean, mean)
    assert not torch.equal(terms.z, mean)
    likelihood = torch.where(x > 0, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(terms.recon, -likelihood.log().flatten(1).sum(1))
    torch.testing.assert_close(terms.kl_z, gaussian_kl(mean, logvar))
    assert torch.equal(terms.kl_s, torch.zeros(3, dtype=torch.float64))
    if changes.get("long_skips") != "he":
        torch.testing.assert_close(model.decode(s, terms.z), logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_parameter_is_used(changes):
    model, x = small_model(**changes), images(2)
    terms = model(x, generator())
    (terms.recon + terms.kl_z).sum().backward()
    unused = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert unused == []


@pytest.mark.parametrize("changes", [c for c in VARIANTS if c.get("z_inject") != "input"], ids=str)
def test_s_is_free_of_z(changes):
    model, x = small_model(**changes), images(2)
    z = torch.randn(2, 2, 3, generator=generator(), dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(model.features(x, z[0]), model.features(x, z[1]))
        assert not torch.allclose(model.logits(x, z[0]), model.logits(x, z[1]))


def test_what_does_not_factor_is_refused():
    x, z = images(1), torch.zeros(1, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="s depends on z"):
        small_model(z_inject="input").features(x)
    he = small_model(long_skips="he")
    with pytest.raises(ValueError, match="use logits"):
        he.decode(he.features(x), z)


def test_long_skips_within_leave_the_cut_alone():
    kernels = study.PixelCnnVae(name="pixelcnn_vae").kernels
    small = {**SMALL, "kernels": kernels, "cut": 6}
    within = PixelCnnVae(study.PixelCnnVae(**{**small, "long_skips": "within"}))
    he = PixelCnnVae(study.PixelCnnVae(**{**small, "long_skips": "he"}))
    assert [int(source) for source in he.skips] == list(range(1, 12))
    assert set(he.skips) - set(within.skips) == {"4", "5"}


@pytest.mark.parametrize("encoder", [ResNetEncoder, ConvEncoder])
def test_encoder_shapes(encoder):
    with torch.random.fork_rng(devices=[]):
        net = encoder(5, channels=3, out=7)
    mean, logvar = net(images(2, dtype=torch.float32))
    assert mean.shape == logvar.shape == (2, 5)
    with pytest.raises(ValueError, match=r"\(2, 1, 32, 32\)"):
        net(torch.zeros(2, 1, 32, 32))


def test_weights_come_from_the_generator_only():
    params = study.PixelCnnVae(**SMALL)
    state = torch.random.get_rng_state()
    one, same, other = (PixelCnnVae(params, generator(seed)).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["layers.0.conv.weight"], other["layers.0.conv.weight"])


@pytest.mark.parametrize("changes", [{"cut": 6}, {"kernels": (5, 4, 3), "cut": 1}, {"channels": 1}], ids=str)
def test_impossible_parameters_are_refused(changes):
    with pytest.raises(ValueError, match="no network has these layers"):
        PixelCnnVae(study.PixelCnnVae(**{**SMALL, **changes}))


@pytest.mark.parametrize("changes", VARIANTS)
def test_latents_are_those_of_forward(changes):
    model, x = small_model(**changes), images(3)
    terms = model(x, generator(5))
    z, s = model.latents(x, generator(5))
    assert torch.equal(z, terms.z)
    assert torch.allclose(s, terms.s, atol=1e-12)
