"""Networks of one run, drawn from its seed: the same weights whatever the objective."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cmivae.data.tensors import read_tensors
from cmivae.errors import UserError
from cmivae.objectives.objectives import Objective
from cmivae.provenance.io import write_bytes
from cmivae.registry import MODELS, OBJECTIVES, load
from cmivae.study.params import Config, Critic, Dataset, SpeechCritic
from cmivae.training.critics import KINDS
from cmivae.training.devices import generator

MODEL, CRITICS = 5, 6  # streams of random numbers
CPU = torch.device("cpu")  # weights are drawn there, so that devices start alike


def build_objective(config: Config) -> Objective:
    """The objective of a configuration."""
    return load(OBJECTIVES[config.objective])(config.gamma)


def build_model(dataset: Dataset, seed: int, device: torch.device) -> nn.Module:
    """The VAE, its weights drawn from ``seed``."""
    model = load(MODELS[dataset.model.name])(dataset.model, generator(CPU, seed, MODEL), dataset.shape)
    return model.to(device, memory_format=torch.channels_last)


def build_critics(
    dataset: Dataset, objective: Objective, model: nn.Module, seed: int, device: torch.device
) -> dict[str, nn.Module]:
    """The critics that the run trains: its objective's, and the estimator of I(z;s) where that is on."""
    kinds = [objective.critic] if objective.uses_critic else []
    kinds += ["estimator"] if dataset.train.online_estimator else []
    return {kind: build_critic(kind, dataset.critic, model, device, seed, CRITICS) for kind in kinds}


def build_critic(
    kind: str, params: Critic | SpeechCritic, model: nn.Module, device: torch.device, *key: int
) -> nn.Module:
    """One critic; the estimator has the architecture of the critic on (z, s)."""
    drawn = generator(CPU, *key, KINDS.index(kind))
    shape = "z" if kind == "z" else "zs"
    critic = model.make_critic(shape, params, drawn)
    return critic.to(device, memory_format=torch.channels_last)


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically and always with the same bytes."""
    plain = {name: value.detach().cpu().contiguous() for name, value in sorted(weights.items())}
    write_bytes(path, save(plain))


def load_weights(path: Path, module: nn.Module) -> nn.Module:
    """Read weights that ``save_weights`` wrote, into eval mode.

    Raises:
        UserError: the file is no file of weights, they do not fit the module, or a value is not finite.
    """
    weights = read_tensors(path, load_file)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError("weights do not fit the model", where=str(path), why=str(error).splitlines()[-1]) from None
    bad = [name for name, value in weights.items() if not value.isfinite().all()]
    if bad:
        raise UserError("weights hold NaN or infinity", where=f"{path}:{bad[0]}", fix="train this run again")
    return module.eval()
