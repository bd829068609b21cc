"""Generated bodies beyond the head: a torso, a limb, a whole person, in CT, MR and PET.

For benchmarks and tests of registration.  Each is coarser than :class:`medfuse.phantom.Head`: organs are
ellipsoids and chains of rods, bent by a smooth random warp, so that no two seeds are alike.

>>> from medfuse import Geometry
>>> from medfuse.phantom.bodies import render_body, torso
>>> grid = Geometry((40, 30, 20), (10.0, 10.0, 10.0), (-195, -145, -95))
>>> render_body("CT", torso(seed=3), grid, noise=0).array.shape
(20, 30, 40)
"""

from __future__ import annotations

from .body import Body
from .limb import limb
from .person import person
from .render import BODY_CONTRASTS, render_body
from .torso import torso

__all__ = ["BODY_CONTRASTS", "Body", "limb", "person", "render_body", "torso"]
