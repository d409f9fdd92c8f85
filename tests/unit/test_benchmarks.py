"""The benchmark runs, and its peers compute the same as our fast paths."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_smoke(tmp_path):
    for name in ("run.py", "peers.py"):
        (tmp_path / name).write_bytes((BENCHMARKS / name).read_bytes())
    command = [sys.executable, str(tmp_path / "run.py"), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "not a measurement" in done.stdout
    results = json.loads((tmp_path / "result.json").read_text())["results"]
    assert [name.partition(",")[0] for name in results] == ["VAE step", "sampling", "EER"]
    assert all(found["ratio"] > 0 for found in results.values())


def test_the_dense_peer_is_the_same_network(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import with_dense_masks

    from cmivae.models.pixelcnn_vae import PixelCnnVae
    from cmivae.study import params as study

    params = study.PixelCnnVae(name="pixelcnn_vae", channels=4, encoder_channels=4, kernels=(5, 3), cut=1)
    ours, peer = PixelCnnVae(params).double().eval(), with_dense_masks(PixelCnnVae(params).double().eval())
    drawn = torch.Generator().manual_seed(3)
    x = (torch.rand(2, 1, 28, 28, generator=drawn) < 0.3).double()
    z = torch.randn(2, 32, generator=drawn, dtype=torch.float64)
    assert torch.allclose(ours.logits(x, z), peer.logits(x, z), atol=1e-12)


@pytest.mark.parametrize("decimals", [12, 1])
def test_the_roc_peer_has_the_same_eer(monkeypatch, decimals):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import roc_equal_error_rate

    from cmivae.evaluation.verification import equal_error_rate

    rng = np.random.default_rng(0)
    is_target = rng.random(20_000) < 0.05
    scores = np.round(rng.normal(size=20_000) + is_target, decimals)
    ours = equal_error_rate(scores[is_target], scores[~is_target])
    assert ours == pytest.approx(roc_equal_error_rate(is_target, scores), abs=1e-9)
