"""Names as a BIDS derivative has them, for those who want them.

::

    fused.nii.gz                  X_desc-fused_vol.nii.gz
    registered/moving_1.nii.gz    X_space-fixed_desc-moving1_vol.nii.gz
    registered/fixed_mask.nii.gz  X_space-fixed_desc-fixed_mask.nii.gz
    maps/uncertainty.nii.gz       X_desc-uncertainty_map.nii.gz
    transforms/moving_1.tfm       X_from-fixed_to-moving1_mode-image_xfm.tfm
    report.html                   X_report.html

X is the study's name (``sub-01_ses-1``).  BIDS has no suffix for a fused image, hence "like" BIDS.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from ...report import names
from ...version import __version__

__all__ = ["rename_as_bids", "write_description"]

_FOLDERS = {
    names.REGISTERED: "space-fixed_desc-{}_vol",
    names.MAPS: "desc-{}_map",
    names.TRANSFORMS: "from-fixed_to-{}_mode-image_xfm",
}


def rename_as_bids(folder: Path, name: str) -> Path:
    """Rename the files of a result, all into its top folder, and return the path of the report."""
    for path in [file for file in folder.rglob("*") if file.is_file()]:
        path.rename(folder / f"{name}_{_bids(path.relative_to(folder))}")
    for place in [path for path in folder.iterdir() if path.is_dir()]:
        place.rmdir()
    return folder / f"{name}_report.html"


def _bids(path: Path) -> str:
    stem, dot, suffix = path.name.partition(".")
    label = re.sub(r"[^A-Za-z0-9]", "", stem)
    if path.name == names.FUSED:
        return "desc-fused_vol.nii.gz"
    if path.parts[0] == names.REGISTERED and stem.endswith(names.mask_name("")):
        return f"space-fixed_desc-{label.removesuffix('mask')}_mask{dot}{suffix}"
    if len(path.parts) > 1:
        pattern = _FOLDERS.get(path.parts[0], re.sub(r"[^A-Za-z0-9]", "", path.parts[0]) + "-{}")
        return pattern.format(label) + dot + suffix
    return label + dot + suffix


def write_description(root: Path) -> None:
    """Write ``dataset_description.json``, which BIDS asks of every derivative."""
    facts = {
        "Name": "medfuse: fused volumes",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "medfuse", "Version": __version__}],
    }
    text = json.dumps(facts, indent=2) + "\n"
    (root / "dataset_description.json").write_text(text, encoding="utf-8")
