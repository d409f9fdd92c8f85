"""Networks of one run, drawn from its seed: the same weights whatever the objective."""

from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cmivae.data.tensors import read_tensors
from cmivae.errors import UserError
from cmivae.models.contract import Critic, ImageVae, SpeechVae, Vae
from cmivae.objectives.objectives import Objective
from cmivae.provenance.io import write_bytes
from cmivae.registry import MODELS, OBJECTIVES, load
from cmivae.study import params as study
from cmivae.study.params import Config, Dataset, ImageDataset, SpeechDataset
from cmivae.training.critics import KINDS
from cmivae.training.devices import generator

MODEL, CRITICS = 5, 6  # streams of random numbers
Module = TypeVar("Module", bound=nn.Module)
CPU = torch.device("cpu")  # weights are drawn there, so that devices start alike


def build_objective(config: Config) -> Objective:
    """The objective of a configuration, with the keys that it has of its own."""
    return load(OBJECTIVES[config.objective])(config.gamma, **config.own)


@overload
def build_model(dataset: ImageDataset, seed: int, device: torch.device) -> ImageVae: ...
@overload
def build_model(dataset: SpeechDataset, seed: int, device: torch.device) -> SpeechVae: ...
def build_model(dataset: Dataset, seed: int, device: torch.device) -> Vae:
    """The VAE, its weights drawn from ``seed``."""
    model = load(MODELS[dataset.model.name])(dataset.model, generator(CPU, seed, MODEL), dataset.shape)
    return model.to(device, memory_format=torch.channels_last)


def build_critics(
    dataset: Dataset, objective: Objective, model: Vae, seed: int, device: torch.device
) -> dict[str, Critic]:
    """The critics that the run trains: those of its objective, and the estimator of I(z;s) where that is on."""
    kinds = [*objective.critics, *(["estimator"] if dataset.train.online_estimator else [])]
    return {kind: build_critic(kind, dataset.critic, model, device, seed, CRITICS) for kind in kinds}


def build_critic(
    kind: str, params: study.Critic | study.SpeechCritic, model: Vae, device: torch.device, *key: int
) -> Critic:
    """One critic; all but that on z alone have the architecture of the critic on (z, s)."""
    drawn = generator(CPU, *key, KINDS.index(kind))
    shape = "z" if kind == "z" else "zs"
    critic: Any = model.make_critic(shape, params, drawn)
    return critic.to(device, memory_format=torch.channels_last)


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically and always with the same bytes."""
    plain = {name: value.detach().cpu().contiguous() for name, value in sorted(weights.items())}
    write_bytes(path, save(plain))


def load_weights(path: Path, module: Module) -> Module:
    """Read weights that ``save_weights`` wrote, into eval mode.

    Raises:
        UserError: the file is no file of weights, they do not fit the module, or a value is not finite.
    """
    weights = read_tensors(path, load_file)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        why = str(error).splitlines()[-1]
        fix = "train this run again, or bring back the params that it was trained with"
        raise UserError("weights do not fit the model", where=str(path), why=why, fix=fix) from None
    bad = [name for name, value in weights.items() if not value.isfinite().all()]
    if bad:
        raise UserError("weights hold NaN or infinity", where=f"{path}:{bad[0]}", fix="train this run again")
    return module.eval()
