"""Addresses: how a printed number, a row or a point of a figure is called, with a spelling that no shell touches.

``T4[cmi,0.3].aolr`` is a cell, ``T4[cmi,0.3].aolr.se`` its standard error, ``T4[cmi,0.3]`` a row or, where the name is
a figure's, a point. The shell-safe spelling of the first is ``t4.cmi.g0.3.aolr``.
"""

import re
from dataclasses import dataclass

from cmivae.errors import UserError
from cmivae.results.record import gamma_text

PARTS = ("value", "se", "n", "paper")
_BRACKETS = re.compile(r"(?P<name>\w+)\[(?P<row>[^\[\]]+)\](?:\.(?P<rest>.+))?")
_PLAIN = re.compile(r"(?P<name>\w+)\.(?P<row>[^.\[\]]+)(?:\.g(?P<gamma>\d+(?:\.\d+)?))?(?:\.(?P<rest>.*[^\d.].*))?")


@dataclass(frozen=True)
class Address:
    """What a user asks for; ``rest`` is a column, perhaps with a part such as ``se``, or empty for a whole row."""

    name: str  # of a table or figure, as given
    row: str  # cmi,0.3 or real100
    rest: str = ""

    @property
    def place(self) -> str:
        """The row's own address, e.g. ``T4[cmi,0.3]``."""
        return f"{self.name}[{self.row}]"

    def __str__(self) -> str:
        return f"{self.place}.{self.rest}" if self.rest else self.place


def parse(text: str, names: list[str]) -> Address:
    """Read an address in either spelling.

    Args:
        names: tables and figures that there are; upper and lower case are the same.

    Raises:
        UserError: it is no address, or names no table or figure.
    """
    if text.startswith("claim:"):
        raise UserError(
            "a claim rests on many cells",
            where=text,
            fix=f"cmivae audit {text} names them; cmivae verify {text} proves them",
        )
    found = _BRACKETS.fullmatch(text.strip()) or _PLAIN.fullmatch(text.strip())
    if found is None:
        raise UserError(
            f"{text!r} is not an address",
            fix="write a cell as 'T4[cmi,0.3].aolr' or t4.cmi.g0.3.aolr, a row as 'T4[cmi,0.3]'",
        )
    parts = found.groupdict()
    row = f"{parts['row']},{parts['gamma']}" if parts.get("gamma") else parts["row"]
    name = next((name for name in names if name.lower() == parts["name"].lower()), None)
    if name is None:
        raise UserError(f"no table or figure {parts['name']!r}", where=text, fix=f"known: {', '.join(names)}")
    return Address(name, _row(row), parts["rest"] or "")


def shell_safe(address: str) -> str:
    """``t4.cmi.g0.3.aolr`` of ``T4[cmi,0.3].aolr``."""
    found = _BRACKETS.fullmatch(address)
    if found is None:
        return address
    row, _, gamma = found["row"].partition(",")
    parts = [found["name"].lower(), row, f"g{gamma}" if gamma else "", found["rest"] or ""]
    return ".".join(part for part in parts if part)


def _row(text: str) -> str:
    """``cmi,0.3`` of ``cmi, .30``: gamma in its one spelling."""
    head, comma, last = text.rpartition(",")
    if not comma:
        return text.strip()
    try:
        return f"{head.strip()},{gamma_text(float(last))}"
    except ValueError:
        return f"{head.strip()},{last.strip()}"
