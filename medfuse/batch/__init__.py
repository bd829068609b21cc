"""Many studies: find them, run them unattended, and show what happened.

>>> from concurrent.futures import ThreadPoolExecutor
>>> studies = find_studies("studies.csv")
>>> result = run_batch(studies, Recipe.read("recipe.toml"), "out", ThreadPoolExecutor(2))
>>> len(result.failed)
0
"""

from __future__ import annotations

from .finding.planning import Planned
from .finding.studies import find_studies
from .finding.table import read_table, write_table
from .jobs import Limits
from .running.runner import BatchResult, run_batch

__all__ = [
    "BatchResult",
    "Limits",
    "Planned",
    "find_studies",
    "read_table",
    "run_batch",
    "write_table",
]
