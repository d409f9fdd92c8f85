"""What each kind of table shows: where a number stands in a run's metrics, how it is written, which rows are added."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cmivae.study.params import ImageData

OVERFIT = "the critic overfits"  # in the line under a table that says so
SLACK = 0.3  # nats that an estimate of I(z;s) may exceed KL(z), which bounds it (data processing inequality)
CLASSES = 10  # of MNIST, Fashion-MNIST and the digits alike


@dataclass(frozen=True)
class Column:
    """One column.

    ``pointer`` leads into metrics.json. ``shown`` columns are printed in Markdown and LaTeX; the others
    are in the CSV only. ``converged`` leads to what says whether the classifier behind the number converged.
    ``at_most`` is the column that bounds it, run by run, but for noise (``SLACK``).
    """

    key: str
    pointer: str
    heading: str
    latex: str
    digits: int  # nats and percent 2, accuracies 4, as the paper prints them
    aggregate: Literal["mean", "minus mean", "max", "sd"] = "mean"
    shown: bool = True
    unit: Literal["", "nats", "%"] = ""
    converged: str = ""
    at_most: str = ""


@dataclass(frozen=True)
class BaselineRow:
    """A row that no training stands behind; ``name`` is its place in addresses, such as "real100"."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Layout:
    """One kind of table."""

    kind: Literal["image", "speech"]  # of the data set that it fits
    columns: tuple[Column, ...]
    baselines: Callable[[Any], tuple[BaselineRow, ...]]  # of the data set's ``data`` block
    units: str  # for the caption
    quoted: tuple[str, ...] = ()  # rows that stand in the printed table, but are of other authors
    paper_se: bool = False  # the paper prints standard errors
    wide: bool = True  # needs both columns of a page

    @property
    def shown(self) -> tuple[Column, ...]:
        """What Markdown and LaTeX show."""
        return tuple(column for column in self.columns if column.shown)

    def column(self, key: str) -> Column | None:
        """The column of this key, or None."""
        return next((column for column in self.columns if column.key == key), None)


def _nats(key: str, pointer: str, heading: str, latex: str = "", **how: Any) -> Column:
    return Column(key, pointer, heading, latex or heading, 2, unit="nats", **how)


def _percent(key: str, pointer: str, heading: str, latex: str = "", digits: int = 2, **how: Any) -> Column:
    return Column(key, pointer, heading, latex or heading, digits, unit="%", **how)


_INFORMATION = (
    _nats("i_zs", "/i_zs/online", "I(z;s)", "$I(z;s)$", at_most="kl_z"),
    _nats("i_zs_posthoc", "/i_zs/posthoc", "I(z;s) post hoc", "$I(z;s)$ post hoc", at_most="kl_z"),
    _nats("i_zs_bce", "/i_zs/online_bce", "BCE of I(z;s)", "BCE of $I(z;s)$", shown=False),
    _nats("i_zs_posthoc_bce", "/i_zs/posthoc_bce", "BCE post hoc", shown=False),
)
_USE_OF_Z = (
    Column("active_units", "/active_units", "active units", "active units", 2, shown=False),
    _nats("mi_xz", "/mi_xz", "MI(x;z)", "MI($x;z$)", shown=False),
)
_IMAGE = (
    _nats("nelbo", "/elbo", "−ELBO", "$-$ELBO", aggregate="minus mean"),
    _nats("kl_z", "/kl_z", "KL(z)", "KL($z$)"),
    _nats("recon", "/recon", "Recon"),
    Column("mcas", "/mcas/mean", "mCAS", "mCAS", 4),
    Column("aolr", "/aolr/accuracy", "AoLR", "AoLR", 4, converged="/aolr/converged"),
    Column("mcas_svm", "/mcas_svm/mean", "mCAS(SVM)", "mCAS(SVM)", 4),
    Column("aosvm", "/aosvm/accuracy", "AoSVM", "AoSVM", 4),
    *_INFORMATION,
    Column("pixel_entropy", "/pixel_entropy", "pixel entropy", "pixel entropy", 4, shown=False),
    *_USE_OF_Z,
)
_FEW = (  # the same classifiers on real pixels: the black line of Figure 3, and its spread over subsets
    Column("mcas", "/lr100/mean", "mCAS", "mCAS", 4),
    Column("mcas.sd", "/lr100/per_subset", "sd", "sd", 4, aggregate="sd", shown=False),
    Column("mcas_svm", "/svm100/mean", "mCAS(SVM)", "mCAS(SVM)", 4),
    Column("mcas_svm.sd", "/svm100/per_subset", "sd", "sd", 4, aggregate="sd", shown=False),
)
_MANY = (
    Column("aolr", "/lr1000/accuracy", "AoLR", "AoLR", 4),
    Column("aosvm", "/svm1000/accuracy", "AoSVM", "AoSVM", 4),
)


def _real_pixels(data: ImageData) -> tuple[BaselineRow, ...]:
    # How many images each learns from: 100 and 1,000 in the paper.
    few, many = CLASSES * data.mcas_per_class, CLASSES * data.probe_per_class
    return BaselineRow(f"real{few}", _FEW), BaselineRow(f"real{many}", _MANY)


def _terms(part: str, suffix: str = "", **how: Any) -> tuple[Column, ...]:
    return (
        _nats(f"elbo{suffix}", f"/{part}/elbo", "ELBO", **how),
        _nats(f"kl_z{suffix}", f"/{part}/kl_z", "KL(z)", "KL($z$)", **how),
        _nats(f"kl_s{suffix}", f"/{part}/kl_s", "KL(s)", "KL($s$)", **how),
        _nats(f"recon{suffix}", f"/{part}/recon", "Recon", **how),
    )


def _eers(part: str, suffix: str = "", **how: Any) -> tuple[Column, ...]:
    return (
        _percent(f"eer_z{suffix}", f"/{part}/eer_z", "EER(z)", "EER($z$)", **how),
        _percent(f"eer_s{suffix}", f"/{part}/eer_s", "EER(s)", "EER($s$)", **how),
    )


def _kl(**how: Any) -> Column:
    return _nats("kl_z", "/core/kl_z", "KL(z)", "KL($z$)", **how)


_EER = (_kl(), *_eers("core"), *_eers("full", "_full", shown=False))
_CONVERSION = (
    _percent("vc_mcas", "/vc_mcas/percent", "VC-mCAS (mean)", converged="/vc_mcas/converged"),
    _percent(
        "vc_mcas_max", "/vc_mcas/percent", "VC-mCAS (max)", digits=1, aggregate="max", converged="/vc_mcas/converged"
    ),
    _kl(shown=False),  # for curves: which objective converts better at the same KL(z)
)
_ELBO = (
    *_terms("core"),
    *_eers("core"),
    *_INFORMATION,
    *_terms("full", "_full", shown=False),
    *_eers("full", "_full", shown=False),
    *_USE_OF_Z,
)


def _mean_spectrum(_: Any) -> tuple[BaselineRow, ...]:
    def row(name: str, key: str) -> BaselineRow:
        core = _percent("eer_z", f"/core/{key}", "EER(z)", "EER($z$)")
        return BaselineRow(name, (core, _percent("eer_z_full", f"/full/{key}", "EER(z)", "EER($z$)", shown=False)))

    return row("trivial", "eer_raw"), row("trivial_centred", "eer_centred")


def _real_segments(_: Any) -> tuple[BaselineRow, ...]:
    return (BaselineRow("real", (_percent("vc_mcas", "/vc/percent", "VC-mCAS (mean)"),)),)


LAYOUTS = {
    # Tables 4 and 5
    "image": Layout("image", _IMAGE, _real_pixels, "KL, Recon, ELBO and I(z;s) in nats"),
    # Table 1
    "eer": Layout(
        "speech",
        _EER,
        _mean_spectrum,
        "KL(z) in nats, EER in percent, both on the core test speakers",
        quoted=("quoted",),
        wide=False,
    ),
    # Table 2
    "conversion": Layout(
        "speech", _CONVERSION, _real_segments, "VC-mCAS in percent, its max over the same seeds", wide=False
    ),
    # Table 3
    "elbo": Layout(
        "speech",
        _ELBO,
        _mean_spectrum,
        "ELBO, KL, Recon and I(z;s) in nats, EER in percent, all on the core test speakers",
        paper_se=True,
    ),
}
