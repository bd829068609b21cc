"""Many studies: find them, run them unattended, and show what happened."""

from __future__ import annotations

from .finding import find_studies
from .planning import Planned
from .table import read_table, write_table

__all__ = ["Planned", "find_studies", "read_table", "write_table"]
