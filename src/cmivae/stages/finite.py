"""A run whose embeddings are not finite must not become a number."""

import numpy as np

from cmivae.progress import log
from cmivae.provenance.context import Context


def not_finite(context: Context, latents: dict[str, np.ndarray]) -> bool:
    """Whether some embedding is not finite; then the run's record says so."""
    lost = [name for name, values in latents.items() if not np.isfinite(values).all()]
    if lost:
        log.error("evaluate %s FAILED: %s not finite", context.run.name, ", ".join(lost))
        context.record["failure"] = {"why": f"{', '.join(lost)} not finite on test data"}
    return bool(lost)
