"""Many studies: find them, run them unattended, and show what happened.

>>> from concurrent.futures import ThreadPoolExecutor
>>> studies = find_studies("studies.csv")
>>> result = run_batch(studies, Recipe.read("recipe.toml"), "out", ThreadPoolExecutor(2))
>>> len(result.failed)
0
"""

from __future__ import annotations

from .finding import find_studies
from .jobs import Limits
from .planning import Planned
from .runner import BatchResult, run_batch
from .table import read_table, write_table

__all__ = [
    "BatchResult",
    "Limits",
    "Planned",
    "find_studies",
    "read_table",
    "run_batch",
    "write_table",
]
