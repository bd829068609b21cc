"""torchvision, imported even where its compiled part does not fit the installed torch.

A torchvision wheel built for CUDA cannot load its operators beside a CPU-only torch, and then ``import
torchvision`` itself fails, because it describes operators that nobody declared.  We need none of them: the
networks are plain torch.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from types import ModuleType

import torch

from ...errors import DependencyError

__all__ = ["import_torchvision"]

_DESCRIBED = {  # what torchvision describes without having declared it, with its signature
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision() -> ModuleType:
    """Import torchvision; where it fails for a missing operator, declare its operators and try again.

    The declared operators have no code: to call them is an error, as without them.  A torchvision that
    works is left alone.

    Raises
    ------
    DependencyError
        If torchvision is not installed.
    """
    try:
        return import_module("torchvision")
    except ModuleNotFoundError as error:
        raise DependencyError("torchvision is not installed: pip install torchvision") from error
    except RuntimeError as error:
        if not re.search(r"operator torchvision::\w+ does not exist", str(error)):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    for operator, signature in _DESCRIBED.items():
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(f"torchvision::{operator}", signature)
    return import_module("torchvision")
