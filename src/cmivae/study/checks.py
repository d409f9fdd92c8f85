"""What no single key of ``params.yaml`` can say by itself: names that must exist, runs that must not be doubled."""

import difflib
from collections.abc import Iterable
from typing import Any

from cmivae.errors import UserError
from cmivae.registry import AT_GAMMA_ZERO, CORPORA, OBJECTIVE_KEYS, OBJECTIVES, READERS
from cmivae.study.params import Config, Dataset, Figure, Params, Table
from cmivae.study.relations import check_dataset
from cmivae.study.stated import PAPER_READERS, STATED, TABLE_READERS

PAPER_OBJECTIVES = ("vanilla", "beta", "mi", "cmi")
TABLE_LAYOUTS = {"image": ("image",), "speech": ("eer", "conversion", "elbo")}  # of tables, by kind of data set
PAPER_LAYOUTS = {"table1": "eer", "table2": "conversion", "table3": "elbo", "table4": "image", "table5": "image"}
CURVES = {  # the metrics of curves, by layout of their table
    "image": ("mcas", "aolr", "mcas_svm", "aosvm", "i_zs"),
    "eer": ("eer_z", "eer_s"),
    "conversion": ("vc_mcas",),
    "elbo": ("i_zs", "eer_z", "eer_s"),
}
FIGURE_KINDS = {"samples": "image", "voices": "speech"}  # and the kind of data set that they show
FIGURE_NAMES = {"samples": "a grid of samples", "voices": "a page of voices"}
OTHER_LABEL = "give the workspace another label, e.g. reduced: every table will carry it"


def check_study(params: Params, where: str) -> None:
    """Check references, canonical config keys, doubled runs and the honesty of the label.

    Raises:
        UserError: with file, key and suggestion.
    """
    if len(set(params.seeds)) != len(params.seeds):
        raise UserError("a seed is given twice", where=f"{where}:seeds", fix="each run of the study must be its own")
    for name, dataset in params.datasets.items():
        _known(dataset.reader, (*READERS, *CORPORA), f"{where}:datasets.{name}.reader", "reader")
        check_dataset(dataset, f"{where}:datasets.{name}")
    for key, config in params.configs.items():
        _check_config(key, config, params, where)
    _check_results(params, where)
    if params.label == "paper":
        _check_paper(params, where)


def beyond_paper(params: Params) -> list[str]:
    """What a study holds that the paper did not run (docs/extensions.md, docs/extending.md), a line each."""
    configs = [
        ", ".join([f"configs.{key}: objective {config.objective}", *(f"{k} {v:g}" for k, v in config.own.items())])
        for key, config in params.configs.items()
        if config.objective not in PAPER_OBJECTIVES
    ]
    normalised = [name for name, dataset in params.datasets.items() if dataset.critic.spectral_norm]
    return configs + [f"datasets.{name}: critics with spectral normalisation" for name in normalised]


def config_key(config: Config) -> str:
    """The one spelling of a configuration's key, e.g. ``mnist-cmi-g030``; without a dot, which DVC cannot address."""
    if config.gamma == 0:
        return f"{config.dataset}-{config.variant}"
    digits = f"{config.gamma:.10f}".rstrip("0").replace(".", "")
    return f"{config.dataset}-{config.variant}-g{digits.ljust(3, '0')}"


def _check_config(key: str, config: Config, params: Params, where: str) -> None:
    place = f"{where}:configs.{key}"
    _known(config.dataset, params.datasets, f"{place}.dataset", "dataset")
    _known(config.objective, OBJECTIVES, f"{place}.objective", "objective")
    _check_own(config, place)
    fits = config.objective in AT_GAMMA_ZERO if config.gamma == 0 else config.objective != "vanilla"
    if not fits:
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


def _check_own(config: Config, place: str) -> None:
    """Keys of an objective's own: those that it reads are there, and no other."""
    read = OBJECTIVE_KEYS.get(config.objective, ())
    for key in sorted({key for keys in OBJECTIVE_KEYS.values() for key in keys}):
        given = getattr(config, key) is not None
        if given and key not in read:
            readers = [name for name, keys in OBJECTIVE_KEYS.items() if key in keys]
            raise UserError(
                f"objective {config.objective!r} does not read {key!r}",
                where=f"{place}.{key}",
                fix=f"remove the key, or choose objective {' or '.join(readers)}",
            )
        if key in read and not given:
            raise UserError(
                f"objective {config.objective!r} needs {key!r}",
                where=f"{place}.{key}",
                why="it has no value that fits every study",
                fix=f"e.g. {key}: 2.0; docs/extensions.md says what it means",
            )


def _check_results(params: Params, where: str) -> None:
    _check_names(params, where)
    for name, table in params.tables.items():
        _check_table(table, params, f"{where}:tables.{name}")
    for name, figure in params.figures.items():
        place = f"{where}:figures.{name}"
        _known(figure.dataset, params.datasets, f"{place}.dataset", "dataset")
        if figure.kind == "curve":
            _check_curve(figure, params, place)
        else:
            _check_shown(figure, params, place)


def _check_names(params: Params, where: str) -> None:
    """Addresses such as t4.cmi.g0.3 name a table or a figure, in capitals or not."""
    seen: dict[str, str] = {}
    for kind, names in (("tables", params.tables), ("figures", params.figures)):
        for name in names:
            other = seen.setdefault(name.lower(), f"{kind}.{name}")
            if other != f"{kind}.{name}":
                raise UserError(
                    f"the name {name!r} is taken by {other}",
                    where=f"{where}:{kind}.{name}",
                    why="addresses name tables and figures alike, and do not tell capitals from small letters",
                    fix="give one of them another name",
                )


def _check_table(table: Table, params: Params, place: str) -> None:
    _known(table.dataset, params.datasets, f"{place}.dataset", "dataset")
    kind = params.datasets[table.dataset].kind
    if table.layout not in TABLE_LAYOUTS[kind]:
        raise UserError(
            f"layout {table.layout!r} does not fit dataset {table.dataset!r}",
            where=f"{place}.layout",
            why=f"it is a data set of kind {kind}",
            fix=f"layout: {' or '.join(TABLE_LAYOUTS[kind])}",
        )
    if table.paper and PAPER_LAYOUTS[table.paper] != table.layout:
        fitting = [paper for paper, layout in PAPER_LAYOUTS.items() if layout == table.layout]
        raise UserError(
            f"{table.paper} of the paper does not have the columns of layout {table.layout!r}",
            where=f"{place}.paper",
            fix=f"paper: {' or '.join(fitting)}; or layout: {PAPER_LAYOUTS[table.paper]}",
        )
    there = {round(config.gamma, 10) for config in params.configs.values() if config.dataset == table.dataset}
    for gamma in table.gammas or ():
        if round(gamma, 10) not in there:
            example = Config(dataset=table.dataset, objective="beta" if gamma else "vanilla", gamma=gamma)
            raise UserError(
                f"no config of dataset {table.dataset!r} has gamma {gamma}",
                where=f"{place}.gammas",
                fix=f"add a config such as {config_key(example)!r}, or take the gamma from the list",
            )


def _check_curve(figure: Figure, params: Params, place: str) -> None:
    if figure.metric is None:
        raise UserError("a curve needs a metric", where=f"{place}.metric", fix="e.g. metric: mcas")
    if figure.configs:
        raise UserError("a curve shows all configs of its table", where=f"{place}.configs", fix="remove the key")
    tables = {name: table for name, table in params.tables.items() if table.dataset == figure.dataset}
    if not tables:
        raise UserError("a curve is drawn from a table's cells", where=place, fix="add a table of this dataset")
    if figure.table is not None:
        _known(figure.table, params.tables, f"{place}.table", "table")
    name = figure.table or next(iter(tables))
    if name not in tables:
        raise UserError(
            f"table {name} is of another dataset",
            where=f"{place}.table",
            fix=f"of dataset {figure.dataset!r}: {', '.join(tables)}",
        )
    layout = tables[name].layout
    if figure.metric not in CURVES[layout]:
        having = [key for key, table in tables.items() if figure.metric in CURVES[table.layout]]
        raise UserError(
            f"table {name} has no column {figure.metric!r}",
            where=f"{place}.metric",
            why=f"its layout is {layout}, with {', '.join(CURVES[layout])}",
            fix=f"table: {' or '.join(having)}" if having else f"metric: {' or '.join(CURVES[layout])}",
        )


def _check_shown(figure: Figure, params: Params, place: str) -> None:
    """Figures that show configs one by one, not a table's cells."""
    shows, kind = FIGURE_NAMES[figure.kind], FIGURE_KINDS[figure.kind]
    if not figure.configs:
        own = [key for key, config in params.configs.items() if config.dataset == figure.dataset]
        fix = f"e.g. configs: [{own[0]}]" if own else f"add a config of dataset {figure.dataset!r}, and name it here"
        raise UserError(f"{shows} needs configs", where=f"{place}.configs", fix=fix)
    if figure.metric is not None:
        raise UserError(f"{shows} shows no metric", where=f"{place}.metric", fix="remove the key")
    if figure.table is not None:
        raise UserError(f"{shows} is not drawn from a table", where=f"{place}.table", fix="remove the key")
    if figure.x != "kl_z":
        raise UserError(f"{shows} has no axis", where=f"{place}.x", fix="remove the key")
    for key in figure.configs:
        _known(key, params.configs, f"{place}.configs", "config")
        if params.configs[key].dataset != figure.dataset:
            fix = f"take it from the list, or show dataset {params.configs[key].dataset!r}"
            raise UserError(f"config {key!r} is of another dataset", where=f"{place}.configs", fix=fix)
    if params.datasets[figure.dataset].kind != kind:
        raise UserError(
            f"{shows} cannot show dataset {figure.dataset!r}",
            where=f"{place}.kind",
            why=f"it is a data set of kind {params.datasets[figure.dataset].kind}",
            fix=f"kind: {next(name for name, fitting in FIGURE_KINDS.items() if fitting != kind)}",
        )


def _check_paper(params: Params, where: str) -> None:
    """A workspace that calls itself the paper reads its data, keeps what it states, and shows each table's own data."""
    for name, dataset in params.datasets.items():
        _check_stated(dataset, f"{where}:datasets.{name}", f"dataset {name!r}")
    for name, table in params.tables.items():
        reader = params.datasets[table.dataset].reader
        if table.paper and reader != TABLE_READERS[table.paper]:
            raise UserError(
                f"{table.paper} of the paper beside dataset {table.dataset!r}, in a workspace labelled 'paper'",
                where=f"{where}:tables.{name}.paper",
                why=f"the paper's is of {TABLE_READERS[table.paper]}, the data set's reader is {reader}",
                fix=f"remove the key, choose a data set of {TABLE_READERS[table.paper]}, or {OTHER_LABEL}",
            )


def _check_stated(dataset: Dataset, place: str, name: str) -> None:
    theirs = PAPER_READERS[dataset.kind]
    if dataset.reader not in theirs and (dataset.kind == "speech" or dataset.reader == "digits"):
        raise UserError(
            f"{name} is read by {dataset.reader!r}, but the workspace is labelled 'paper'",
            where=f"{place}.reader",
            why=f"the paper's data are {' and '.join(theirs)}",
            fix=OTHER_LABEL,
        )
    for each in STATED[dataset.kind]:
        found = _at(dataset, each.key)
        if found != each.value and (each.size or dataset.reader in theirs):
            raise UserError(
                f"{name} has {each.key} {_text(found)}, but the workspace is labelled 'paper'",
                where=f"{place}.{each.key}",
                why=f"the paper has {_text(each.value)} ({each.section})",
                fix=f"{each.key}: {_text(each.value)}, or {OTHER_LABEL}",
            )


def _at(dataset: Dataset, key: str) -> Any:
    value: Any = dataset
    for name in key.split("."):
        value = getattr(value, name, None)  # a model of one's own lacks keys, and is refused by its name
    return value


def _text(value: Any) -> str:
    """As YAML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(str(item) for item in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _known(name: str, known: Iterable[str], where: str, kind: str) -> None:
    known = sorted(known)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        raise UserError(f"unknown {kind} {name!r}", where=where, fix=hint)
