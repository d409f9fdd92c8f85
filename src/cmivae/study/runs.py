"""The study as data: ``params.yaml`` expands to runs, one for each configuration and seed."""

from dataclasses import dataclass

from cmivae.study.params import Config, Params


@dataclass(frozen=True)
class Run:
    """One training: a configuration and a seed."""

    key: str  # config key, e.g. mnist-cmi-g030
    seed: int
    config: Config

    @property
    def name(self) -> str:
        """Folder of the run below ``runs/<stage>/``, e.g. ``mnist-cmi-g030/s0``."""
        return f"{self.key}/s{self.seed}"


def expand(params: Params) -> list[Run]:
    """All runs of the study, by configuration, then seed."""
    return [Run(key, seed, config) for key, config in params.configs.items() for seed in params.seeds]
