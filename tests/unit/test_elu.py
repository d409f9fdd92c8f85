"""ELU in pieces against PyTorch's: values, gradients, layouts, and where it steps aside."""

import secrets

import pytest
import torch
import torch.nn.functional as F

from cmivae.models import elu as module
from cmivae.models.elu import Elu, elu_


def fresh(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Values around zero, far below it and far above, others in each run of the test."""
    draw = torch.Generator().manual_seed(secrets.randbits(31))
    size = 10 ** (3 * torch.rand(shape, generator=draw) - 2)
    return (torch.randn(shape, generator=draw) * size).to(dtype)


def both(x: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Result and gradient of ours and of PyTorch's."""
    up, found = torch.randn_like(x), []
    for act in (elu_, F.elu):
        given = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        out = act(given.clone(memory_format=torch.preserve_format))
        found.append((out.detach(), *torch.autograd.grad(out, given, up)))
    return found


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 2e-7), (torch.float64, 1e-15)])
def test_values_and_gradients_are_those_of_pytorch(monkeypatch, dtype, close, memory_format):
    monkeypatch.setattr(module, "PIECE", 100)  # so that there are many, and one that is not full
    x = fresh(3, 5, 7, 9, dtype=dtype).to(memory_format=memory_format)
    (out, gradient), (expected, expected_gradient) = both(x)
    assert out.stride() == x.stride()
    torch.testing.assert_close(out, expected, rtol=close, atol=close)
    torch.testing.assert_close(gradient, expected_gradient, rtol=close, atol=10 * close)


def test_edges():
    x = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), -1e-8, -200.0, 3e38])
    torch.testing.assert_close(elu_(x.clone()), F.elu(x), rtol=0, atol=1e-7)
    assert elu_(torch.tensor([float("nan")])).isnan().all()
    assert elu_(torch.empty(0, 3)).shape == (0, 3)


def test_it_works_in_place():
    x = fresh(4, 6)
    assert elu_(x).data_ptr() == x.data_ptr()
    layer_input = fresh(4, 6)
    assert Elu()(layer_input) is layer_input
    with torch.inference_mode():
        y = fresh(4, 6)
        assert torch.equal(elu_(y.clone()), elu_(y))


@pytest.mark.parametrize("make", [lambda: fresh(8, 8)[:, ::2], lambda: fresh(8, 8).bfloat16()], ids=["gaps", "bf16"])
def test_elsewhere_it_is_that_of_pytorch(make):
    x = make()
    expected = F.elu(x)
    assert torch.equal(elu_(x), expected)
