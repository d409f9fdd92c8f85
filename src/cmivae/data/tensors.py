"""Reading safetensors that may be damaged, or something else altogether."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from cmivae.errors import UserError


def read_tensors(path: Path, load_file: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """All tensors of a file, as ``safetensors.numpy.load_file`` or ``safetensors.torch.load_file`` gives them.

    Raises:
        UserError: the file is missing or is no safetensors file.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError("a file of tensors is missing", where=str(path), fix="run the stage that makes it") from None
    except (SafetensorError, OSError) as error:
        fix = "remove the folder that it lies in and let its stage make it again"
        raise UserError("not a whole file of tensors", where=str(path), why=str(error), fix=fix) from None
