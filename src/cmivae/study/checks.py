"""What no single key of ``params.yaml`` can say by itself: names that must exist, runs that must not be doubled."""

import difflib
from collections.abc import Iterable

from cmivae.errors import UserError
from cmivae.registry import OBJECTIVES, READERS
from cmivae.study.params import Config, Params

PAPER_EPOCHS = 300  # what a workspace labelled "paper" must train


def check_study(params: Params, where: str) -> None:
    """Check references, canonical config keys, doubled runs and the honesty of the label.

    Raises:
        UserError: with file, key and suggestion.
    """
    if len(set(params.seeds)) != len(params.seeds):
        raise UserError("a seed is given twice", where=f"{where}:seeds", fix="each run of the study must be its own")
    for name, dataset in params.datasets.items():
        _known(dataset.reader, READERS, f"{where}:datasets.{name}.reader", "reader")
    for key, config in params.configs.items():
        _check_config(key, config, params, where)
    _check_results(params, where)
    if params.label == "paper":
        _check_paper_scale(params, where)


def config_key(config: Config) -> str:
    """The one spelling of a configuration's key, e.g. ``mnist-cmi-g030``; without a dot, which DVC cannot address."""
    if config.gamma == 0:
        return f"{config.dataset}-{config.objective}"
    digits = f"{config.gamma:.10f}".rstrip("0").replace(".", "")
    return f"{config.dataset}-{config.objective}-g{digits.ljust(3, '0')}"


def _check_config(key: str, config: Config, params: Params, where: str) -> None:
    place = f"{where}:configs.{key}"
    _known(config.dataset, params.datasets, f"{place}.dataset", "dataset")
    _known(config.objective, OBJECTIVES, f"{place}.objective", "objective")
    if (config.objective == "vanilla") != (config.gamma == 0):
        raise UserError(
            f"objective {config.objective!r} with gamma {config.gamma}",
            where=f"{place}.gamma",
            why="at gamma 0 all objectives are the same run, called vanilla",
            fix="gamma 0.0 with objective vanilla, or a gamma above 0",
        )
    if key != config_key(config):  # which also keeps one run from being named twice
        raise UserError(
            f"the key {key!r} does not say what it runs",
            where=place,
            fix=f"rename it to {config_key(config)!r}",
        )


def _check_results(params: Params, where: str) -> None:
    for name, table in params.tables.items():
        _known(table.dataset, params.datasets, f"{where}:tables.{name}.dataset", "dataset")
    tabled = {table.dataset for table in params.tables.values()}
    for name, figure in params.figures.items():
        place = f"{where}:figures.{name}"
        _known(figure.dataset, params.datasets, f"{place}.dataset", "dataset")
        if figure.kind == "curve" and figure.metric is None:
            raise UserError("a curve needs a metric", where=f"{place}.metric", fix="e.g. metric: mcas")
        if figure.kind == "curve" and figure.dataset not in tabled:
            raise UserError("a curve is drawn from a table's cells", where=place, fix="add a table of this dataset")
        if figure.kind == "samples" and not figure.configs:
            raise UserError("a grid of samples needs configs", where=f"{place}.configs")
        if figure.kind == "curve" and figure.configs:
            raise UserError("a curve shows all configs of its table", where=f"{place}.configs", fix="remove the key")
        if figure.kind == "samples" and figure.metric is not None:
            raise UserError("a grid of samples shows no metric", where=f"{place}.metric", fix="remove the key")
        for key in figure.configs:
            _known(key, params.configs, f"{place}.configs", "config")
            if params.configs[key].dataset != figure.dataset:
                raise UserError(f"config {key!r} is of another dataset", where=f"{place}.configs")


def _check_paper_scale(params: Params, where: str) -> None:
    for name, dataset in params.datasets.items():
        data = dataset.data
        whole = data.n_train is data.n_valid is data.n_test is None
        if not whole or dataset.train.epochs != PAPER_EPOCHS or dataset.reader == "digits":
            raise UserError(
                f"dataset {name!r} is reduced, but the workspace is labelled 'paper'",
                where=f"{where}:label",
                why=f"the paper trains {PAPER_EPOCHS} epochs on all images",
                fix="give it another label, e.g. reduced: every table will carry it",
            )


def _known(name: str, known: Iterable[str], where: str, kind: str) -> None:
    known = sorted(known)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        raise UserError(f"unknown {kind} {name!r}", where=where, fix=hint)
