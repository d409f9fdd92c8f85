"""A small made-up study for the tests of cells, tables and figures: three gammas, three seeds."""

import hashlib

from cmivae.results.cells import Cell, RunResult, build_cells
from cmivae.study.params import Params

SEEDS = (0, 1, 2)
GRID = (("vanilla", 0.0), ("beta", 0.3), ("cmi", 0.3), ("mi", 0.3), ("beta", 0.6), ("cmi", 0.6), ("mi", 0.6))


def key(objective: str, gamma: float) -> str:
    return f"mnist-{objective}-g{round(gamma * 100):03d}"


def make_params(label="paper", note="", seeds=SEEDS, grid=GRID, paper="table4", epochs=300, **dataset) -> Params:
    configs = {key(o, g): {"dataset": "mnist", "objective": o, "gamma": g} for o, g in grid}
    blocks = {name: {} for name in ("data", "critic", "embed", "evaluate")}
    block = {
        "reader": "mnist",
        **blocks,
        "model": {"name": "pixelcnn_vae"},
        "train": {"epochs": epochs},
        **dataset,
    }
    table = {"title": "Results on MNIST", "dataset": "mnist", "paper": paper}
    return Params.model_validate(
        {"label": label, "note": note, "seeds": tuple(seeds), "datasets": {"mnist": block},
         "configs": configs, "tables": {"T4": table}, "figures": {}, "style": {}}
    )  # fmt: skip


def make_metrics(objective: str, gamma: float, seed: int) -> dict:
    bump = {"vanilla": 0.0, "beta": 0.01, "cmi": 0.03, "mi": 0.0}[objective] + 0.001 * seed
    kl = 4.0 + 60.0 * gamma + 0.1 * seed
    return {
        "elbo": -(56.0 + seed), "kl_z": kl, "recon": 56.0 + seed - kl,
        "i_zs": {"online": 2.0 + bump, "online_bce": 1.1, "posthoc": None, "posthoc_bce": None,
                 "posthoc_inits": []},
        "aolr": {"accuracy": 0.80 + bump, "converged": True, "iterations": 50},
        "aosvm": {"accuracy": 0.85 + bump},
        "mcas": {"mean": 0.70 + bump, "per_subset": [0.69, 0.71]},
        "mcas_svm": {"mean": 0.72 + bump, "per_subset": [0.71, 0.73]},
        "pixel_entropy": 0.1, "active_units": 12, "mi_xz": 3.0,
    }  # fmt: skip


def make_runs(params: Params) -> dict[tuple[str, int], RunResult]:
    runs = {}
    for name, config in params.configs.items():
        for seed in params.seeds:
            folder = f"runs/evaluate/{name}/s{seed}"
            run_id = hashlib.sha256(folder.encode()).hexdigest()
            metrics = make_metrics(config.objective, config.gamma, seed)
            runs[name, seed] = RunResult(folder, run_id, "f" * 64, "complete", metrics)
    return runs


def make_baselines() -> dict[str, RunResult]:
    metrics = {
        "lr100": {"mean": 0.737, "per_subset": [0.72, 0.75, 0.741]},
        "svm100": {"mean": 0.741, "per_subset": [0.74, 0.742]},
        "lr1000": {"accuracy": 0.861},
        "svm1000": {"accuracy": 0.911},
    }
    return {"mnist": RunResult("runs/evaluate/real-mnist", "b" * 64, "e" * 64, "complete", metrics)}


def make_cells(**kwargs) -> list[Cell]:
    params = make_params(**kwargs)
    return build_cells(params, make_runs(params), make_baselines())
