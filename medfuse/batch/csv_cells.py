"""Cells of CSV files: safe to open in a spreadsheet, and exact to read back."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["cell"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> str:
    """``value`` as text; empty for None and NaN.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers do not, for
    a negative number is no formula.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.9g}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
