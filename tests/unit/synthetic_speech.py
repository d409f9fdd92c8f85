"""A small made-up study of speech for the tests of Tables 1 to 3 and Figure 4: the paper's gammas, three seeds."""

import hashlib

from cmivae.results.cells import Cell, RunResult, build_cells
from cmivae.study.checks import config_key
from cmivae.study.params import Config, Params

SEEDS = (0, 1, 2)
GAMMAS = (0.4, 0.8, 0.9, 0.99, 0.999, 0.9999)
GRID = (("vanilla", 0.0), *((objective, gamma) for gamma in GAMMAS for objective in ("beta", "cmi")))
TABLES = {
    "T1": {"title": "Verification (Table 1)", "dataset": "timit", "layout": "eer", "paper": "table1",
           "gammas": (0.0, 0.4, 0.8, 0.9, 0.99)},
    "T2": {"title": "Conversion (Table 2)", "dataset": "timit", "layout": "conversion", "paper": "table2",
           "gammas": GAMMAS},
    "T3": {"title": "Likelihood (Table 3)", "dataset": "timit", "layout": "elbo", "paper": "table3"},
}  # fmt: skip


def key(objective: str, gamma: float) -> str:
    return config_key(Config(dataset="timit", objective=objective, gamma=gamma))


def block(reader: str = "timit", epochs: int = 6000, **blocks) -> dict:
    """A data set of speech; ``blocks`` in place of the empty ones."""
    empty = {name: {} for name in ("data", "critic", "embed", "evaluate")}
    return {"reader": reader, **empty, "model": {"name": "dsae"}, "train": {"epochs": epochs}, **blocks}


def make_params(label="paper", note="", seeds=SEEDS, grid=GRID, tables=TABLES, figures=(), **dataset) -> Params:
    configs = {key(o, g): {"dataset": "timit", "objective": o, "gamma": g} for o, g in grid}
    return Params.model_validate(
        {"label": label, "note": note, "seeds": tuple(seeds), "datasets": {"timit": block(**dataset)},
         "configs": configs, "tables": tables, "figures": dict(figures), "style": {}}
    )  # fmt: skip


def make_metrics(objective: str, gamma: float, seed: int) -> dict:
    better = 0.5 if objective == "cmi" else 0.0
    kl_z, kl_s, recon = 18.0 + 350.0 * gamma + seed, 490.0 - 60.0 * gamma, -6813.0 + seed
    core = {
        "elbo": -recon - kl_z - kl_s, "kl_z": kl_z, "kl_s": kl_s, "recon": recon,
        "eer_z": 11.0 - 7.0 * gamma - better + 0.1 * seed, "eer_s": 18.0 + 20.0 * gamma + better + seed,
    }  # fmt: skip
    return {
        "core": core,
        "full": {name: value + 0.25 for name, value in core.items()},
        "i_zs": {"online": 1.6 + gamma - 0.4 * better + 0.01 * seed, "online_bce": 0.9, "posthoc": 2.0,
                 "posthoc_bce": 0.8, "posthoc_inits": [1.9, 2.0, 2.1]},
        "vc_mcas": {"percent": 84.0 + 3.0 * gamma + better + 0.2 * seed, "converged": True, "iterations": 80},
        "active_units": 40, "mi_xz": 5.0,
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
        "core": {"eer_raw": 20.1, "eer_centred": 19.7},
        "full": {"eer_raw": 21.0, "eer_centred": 20.5},
        "vc": {"percent": 96.2},
    }
    return {"timit": RunResult("runs/baseline/timit", "b" * 64, "e" * 64, "complete", metrics)}


def make_cells(**kwargs) -> list[Cell]:
    params = make_params(**kwargs)
    return build_cells(params, make_runs(params), make_baselines())
