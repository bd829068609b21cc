"""Files in, a folder with a report out: what ``medfuse fuse`` does."""

from __future__ import annotations

import sys
from pathlib import Path

import medfuse

SAMPLES = Path(__file__).parents[1] / "sample_data"


def main(output: Path) -> None:
    """Fuse the generated CT and MR of the sample data into the folder ``output``."""
    fixed = medfuse.InputVolume(SAMPLES / "head_ct.nii.gz", modality="CT")
    moving = medfuse.InputVolume(SAMPLES / "head_t1.nii.gz", modality="MR")
    recipe = medfuse.Recipe(method="pca", windows=("CT=bone",))
    result = medfuse.run_study(medfuse.Study(fixed, [moving]), recipe)
    report = medfuse.write_result(result, output)
    print(f"registration: {result.registrations[0].verdict}")
    print(f"report: {report}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "result"))
