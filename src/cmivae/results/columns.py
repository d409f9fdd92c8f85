"""The columns of an image table: where each number stands in a run's metrics, and how it is written."""

from dataclasses import dataclass
from typing import Literal

from cmivae.study.params import ImageData

CLASSES = 10  # of MNIST, Fashion-MNIST and the digits alike


@dataclass(frozen=True)
class Column:
    """One column.

    ``pointer`` leads into metrics.json. ``shown`` columns are printed in Markdown and LaTeX; the others
    are in the CSV only.
    """

    key: str
    pointer: str
    heading: str
    latex: str
    digits: int  # nats 2, accuracies 4, as the paper prints them
    aggregate: Literal["mean", "minus mean", "sd"] = "mean"
    shown: bool = True


COLUMNS = (
    Column("nelbo", "/elbo", "−ELBO", "$-$ELBO", 2, aggregate="minus mean"),
    Column("kl_z", "/kl_z", "KL(z)", "KL($z$)", 2),
    Column("recon", "/recon", "Recon", "Recon", 2),
    Column("mcas", "/mcas/mean", "mCAS", "mCAS", 4),
    Column("aolr", "/aolr/accuracy", "AoLR", "AoLR", 4),
    Column("mcas_svm", "/mcas_svm/mean", "mCAS(SVM)", "mCAS(SVM)", 4),
    Column("aosvm", "/aosvm/accuracy", "AoSVM", "AoSVM", 4),
    Column("i_zs", "/i_zs/online", "I(z;s)", "$I(z;s)$", 2),
    Column("i_zs_posthoc", "/i_zs/posthoc", "I(z;s) post hoc", "$I(z;s)$ post hoc", 2),
    Column("i_zs_bce", "/i_zs/online_bce", "BCE of I(z;s)", "BCE of $I(z;s)$", 2, shown=False),
    Column("i_zs_posthoc_bce", "/i_zs/posthoc_bce", "BCE post hoc", "BCE post hoc", 2, shown=False),
    Column("pixel_entropy", "/pixel_entropy", "pixel entropy", "pixel entropy", 4, shown=False),
    Column("active_units", "/active_units", "active units", "active units", 2, shown=False),
    Column("mi_xz", "/mi_xz", "MI(x;z)", "MI($x;z$)", 2, shown=False),
)

BASELINE = (  # the same classifiers on real pixels: the black line of Figure 3, and its spread over subsets
    Column("mcas", "/lr100/mean", "mCAS", "mCAS", 4),
    Column("mcas.sd", "/lr100/per_subset", "sd", "sd", 4, aggregate="sd", shown=False),
    Column("mcas_svm", "/svm100/mean", "mCAS(SVM)", "mCAS(SVM)", 4),
    Column("mcas_svm.sd", "/svm100/per_subset", "sd", "sd", 4, aggregate="sd", shown=False),
    Column("aolr", "/lr1000/accuracy", "AoLR", "AoLR", 4),
    Column("aosvm", "/svm1000/accuracy", "AoSVM", "AoSVM", 4),
)


def baseline_rows(data: ImageData) -> dict[str, int]:
    """How many real images each baseline column learns from: 100 and 1,000 in the paper."""
    few, many = CLASSES * data.mcas_per_class, CLASSES * data.probe_per_class
    return {"mcas": few, "mcas_svm": few, "aolr": many, "aosvm": many}
