"""Register, resample, rescale, fuse and score, each by its own function, on volumes of a generated head."""

from __future__ import annotations

import medfuse
from medfuse import Geometry
from medfuse.phantom import render, rigid


def main() -> None:
    """Print the verdict of the registration and the scores of the fusion."""
    grid = Geometry((64, 68, 24), (3.4, 3.4, 7.0), (-107.0, -110.0, -70.0))
    ct = render("CT", grid, seed=1)
    mr = render("T1", grid, pose=rigid((2, 3, 4), (4, 3, -2)), seed=2)

    registration = medfuse.register(ct, mr)
    print("registration:", registration.verdict, *registration.reasons)
    mr_on_ct = medfuse.resample(mr, ct, registration.transform)

    sources = [medfuse.rescale(ct, "bone"), mr_on_ct]
    fused = medfuse.fuse(sources, "pca")
    for key, value in medfuse.evaluate(sources, fused, "ma2021").whole.items():
        print(f"{key:3} {value:.3f}")


if __name__ == "__main__":
    main()
