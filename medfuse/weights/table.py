"""What pretrained weights there are, with publisher, digest, licence and citation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import UnknownNameError

__all__ = ["WEIGHTS", "Weights", "weights_named"]


@dataclass(frozen=True)
class Weights:
    """One file of pretrained weights.

    Parameters
    ----------
    name:
        What users type.
    url:
        Where its publisher offers it.
    sha256:
        Its digest, or the first digits, where the publisher gives no more.
    megabytes:
        Its size.
    licence:
        As stated by the publisher; "not stated" means that nobody else may pass it on.
    citation:
        Paper with DOI.
    """

    name: str
    url: str
    sha256: str
    megabytes: float
    licence: str
    citation: str

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


_TORCHVISION = "https://download.pytorch.org/models/"
_IFCNN = "https://raw.githubusercontent.com/uzeful/IFCNN/master/Code/snapshots/"
_DENSEFUSE = "https://raw.githubusercontent.com/hli1221/densefuse-pytorch/master/models/"
_BSD = "BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research"
_VGG = "Simonyan, Zisserman 2015, arXiv:1409.1556"
_SQUEEZENET = "Iandola et al. 2016, arXiv:1602.07360"
_ZHANG = "Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011"

WEIGHTS: Mapping[str, Weights] = {
    one.name: one
    for one in (
        Weights(
            "ifcnn-max",
            f"{_IFCNN}IFCNN-MAX.pth",
            "6022b44c88a2f0367ba9b08fcdf0d663745d9a966fca0ee1f41867797b6ff53f",
            0.3,
            "not stated",
            _ZHANG,
        ),
        Weights(
            "ifcnn-mean",
            f"{_IFCNN}IFCNN-MEAN.pth",
            "fd2ee9361f1d428fc9749e28e8a2c5c5ef6ce6528ab6f5ad8ef5def42e7ffa4b",
            0.3,
            "not stated",
            _ZHANG,
        ),
        Weights(
            "ifcnn-sum",
            f"{_IFCNN}IFCNN-SUM.pth",
            "a8c1d293f1bf16a93e6244a4bf8f7a7bd300dc10555c8597ad7ef3320b0410cb",
            0.3,
            "not stated",
            _ZHANG,
        ),
        Weights(
            "densefuse-gray",
            f"{_DENSEFUSE}densefuse_gray.model",
            "b34cf3650f04161b31ac2467decfeedf7eba39165b7618f846e0f298ecd2ac65",
            0.3,
            "not stated",
            "Li, Wu 2019, doi:10.1109/TIP.2018.2887342",
        ),
        Weights("vgg19", f"{_TORCHVISION}vgg19-dcbb9e9d.pth", "dcbb9e9d", 548.1, _BSD, _VGG),
        Weights("vgg16", f"{_TORCHVISION}vgg16-397923af.pth", "397923af", 527.8, _BSD, _VGG),
        Weights(
            "resnet50",
            f"{_TORCHVISION}resnet50-0676ba61.pth",
            "0676ba61",
            97.8,
            _BSD,
            "He et al. 2016, doi:10.1109/CVPR.2016.90",
        ),
        Weights(
            "alexnet",
            f"{_TORCHVISION}alexnet-owt-7be5be79.pth",
            "7be5be79",
            233.1,
            _BSD,
            "Krizhevsky 2014, arXiv:1404.5997",
        ),
        Weights(
            "densenet121",
            f"{_TORCHVISION}densenet121-a639ec97.pth",
            "a639ec97",
            30.8,
            _BSD,
            "Huang et al. 2017, doi:10.1109/CVPR.2017.243",
        ),
        Weights(
            "mobilenet_v2",
            f"{_TORCHVISION}mobilenet_v2-b0353104.pth",
            "b0353104",
            13.6,
            _BSD,
            "Sandler et al. 2018, doi:10.1109/CVPR.2018.00474",
        ),
        Weights(
            "squeezenet1_0",
            f"{_TORCHVISION}squeezenet1_0-b66bff10.pth",
            "b66bff10",
            4.8,
            _BSD,
            _SQUEEZENET,
        ),
        Weights(
            "squeezenet1_1",
            f"{_TORCHVISION}squeezenet1_1-b8a52dc0.pth",
            "b8a52dc0",
            4.7,
            _BSD,
            _SQUEEZENET,
        ),
    )
}
"""Name -> what is known about it.  torchvision's are its first ImageNet weights (``IMAGENET1K_V1``)."""


def weights_named(name: str) -> Weights:
    """The entry of :data:`WEIGHTS` with that name.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the names.
    """
    if name not in WEIGHTS:
        raise UnknownNameError("weights", name, WEIGHTS)
    return WEIGHTS[name]
