"""Fusion of registered, rescaled sources.

A method is a value, a frozen dataclass whose fields are its parameters, that is called on a stack
``(n, z, y, x)`` of sources in [0, 1] and returns a :class:`Fused`.  Methods see arrays only; :func:`fuse`
sees to what was not measured (:mod:`.measured`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..errors import ParameterError
from ..noise import NoiseModel
from ..progress import Progress, ignore
from ..registry import Registry
from ..sources import Sources, Stack
from .measured import fuse_measured
from .parameters import Parameter, configured, method_fault, parameters_of, presets_of, values_of
from .ran import Ran, what_ran
from .saturation import with_saturation_checked
from .suited import suited
from .types import Fused, FusionMethod, SliceFusion, check_sources, map_slices

__all__ = [
    "METHODS",
    "Fused",
    "FusionMethod",
    "Parameter",
    "Ran",
    "SliceFusion",
    "check_sources",
    "fuse",
    "make_method",
    "map_slices",
    "parameters_of",
    "presets_of",
    "suited",
    "values_of",
    "what_ran",
]

METHODS: Registry[type[FusionMethod]] = Registry(
    "fusion method",
    {
        "auto": "medfuse.fusion.auto:Auto",
        "dip": "medfuse.fusion.dip.method:DeepImagePrior",
        "pca": "medfuse.fusion.pca:PatchPCA",
        "vgg": "medfuse.fusion.networks.vgg:VGGFusion",
        "zero_learning": "medfuse.fusion.networks.zero_learning:ZeroLearning",
        "ifcnn": "medfuse.fusion.networks.ifcnn:IFCNN",
        "densefuse": "medfuse.fusion.networks.densefuse:DenseFuse",
        "network": "medfuse.fusion.networks.published:PublishedNetwork",
        "gmc": "medfuse.fusion.sparse.gmc:SparseGMC",
        "laplacian": "medfuse.fusion.multiscale.laplacian:LaplacianPyramid",
        "wavelet": "medfuse.fusion.multiscale.wavelet:Wavelet",
        "gff": "medfuse.fusion.multiscale.gff:GuidedFilterFusion",
        "average": "medfuse.fusion.simple:Average",
        "maximum": "medfuse.fusion.simple:Maximum",
    },
    group="medfuse.fusion",
    fault=method_fault,
)
"""key -> the method's class; ``make_method`` builds one with parameters."""


def make_method(
    method: str | type[FusionMethod],
    values: Mapping[str, Any] = MappingProxyType({}),
    preset: str | None = None,
) -> FusionMethod:
    """Build a method from a preset and from values that may be text (``-p key=value``).

    Parameters
    ----------
    method:
        A key of :data:`METHODS`, or a method's class.
    values:
        name -> value; text is converted to the kind of the field.  They win over the preset.
    preset:
        One of ``presets_of(method)``; "auto" for the one that suits the device, where the method has an
        opinion (``auto_preset``), else the defaults; None for the defaults of the fields.

    Raises
    ------
    UnknownNameError
        For a method that does not exist, or a parameter or preset that it does not have; the message lists
        those there are.
    ParameterError
        For a value of the wrong kind or out of range, or a method that is neither key nor class.
    """
    if isinstance(method, str):
        method = METHODS[METHODS.key_of(method)]
    if not isinstance(method, type):
        raise ParameterError(
            f"a method of type {type(method).__name__}: expected a key such as 'pca', or a method's class; "
            "one that is configured already is changed by dataclasses.replace"
        )
    return configured(method, values, preset)


def fuse(
    sources: Stack | Sources,
    method: str | FusionMethod = "auto",
    progress: Progress = ignore,
    noise: Sequence[NoiseModel] | None = None,
) -> Fused:
    """Fuse ``sources`` with a method, given by its registry key (default parameters) or as a value.

    Parameters
    ----------
    sources:
        (n, z, y, x), n ≥ 2, finite, in [0, 1]; see :func:`medfuse.rescale`.  As :class:`medfuse.Sources`
        they carry masks: where one source alone was measured it passes through, where none was it is 0.
    method:
        A key of :data:`METHODS`, or a configured method such as ``PatchPCA(patch=5)``.
    progress:
        Called with (fraction, message); raise :class:`medfuse.Cancelled` in it to stop.
    noise:
        That of each source, where it is known, such as from its own grid
        (:func:`medfuse.noise.interpolated`).  None: methods that want to know it estimate it.

    Returns
    -------
    Fused
        With the share of pure white in ``info["saturated"]``, and a note where it is more than the sources
        explain; see :mod:`medfuse.fusion.saturation`.

    Raises
    ------
    ParameterError
        If ``sources`` are not such a stack, no voxel was measured by two of them, or ``noise`` is that of
        another number of sources.
    UnknownNameError
        If no method has that key.
    """
    if isinstance(method, str):
        method = METHODS[method]()
    if not callable(method):
        raise ParameterError(f"method {method!r}: expected a key such as 'dip', or a fusion method")
    sources = sources if isinstance(sources, Sources) else Sources(sources)
    if noise is not None and len(noise) != len(sources.array):
        raise ParameterError(f"noise of {len(noise)} sources for {len(sources.array)}: expected one of each")
    return with_saturation_checked(fuse_measured(method, sources, progress, noise), sources.array)
