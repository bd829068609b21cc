"""The values of one slice: decoded, masked to the bits stored, rescaled by its own slope."""

from __future__ import annotations

import warnings

import numpy as np

from ...errors import ReadError
from ..files import one_line, reading
from .headers import Header
from .parse import load

__all__ = ["check_pixels", "read_slice"]

_NATIVE = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}
"""Transfer syntaxes with plain pixels -> byte order."""

_RLE = "1.2.840.10008.1.2.5"

_PIXEL_KEYWORDS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
)  # fmt: skip
_SLACK_BYTES = 16 << 20  # header and trailing elements of a deflated file


def check_pixels(header: Header) -> None:
    """Refuse, before any pixel is touched, what cannot be decoded or is not all there.

    Raises
    ------
    ReadError
        Naming the file and the attribute.
    """
    allocated, stored = (
        header.get("BitsAllocated", 0),
        header.get("BitsStored", header.get("BitsAllocated", 0)),
    )
    high = header.get("HighBit", stored - 1)
    if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated:
        raise ReadError(
            f"{header.path}: BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}; "
            "expected 8, 16 or 32 bits that hold those stored"
        )
    if header.get("PixelRepresentation", 0) not in (0, 1):
        raise ReadError(
            f"{header.path}: PixelRepresentation {header.get('PixelRepresentation')}; expected 0 or 1"
        )
    if "ModalityLUTSequence" in header.values:
        raise ReadError(f"{header.path}: values given by a modality lookup table, which is not supported")
    slope, intercept = _rescale(header)
    if not (np.isfinite(slope) and np.isfinite(intercept)) or slope == 0:
        raise ReadError(
            f"{header.path}: RescaleSlope {slope}, RescaleIntercept {intercept}; the header is damaged"
        )
    # Compressed slices may be smaller than declared; plain ones not.
    deflated = header.transfer_syntax.endswith(".99")
    if header.transfer_syntax in _NATIVE and not deflated and _declared_bytes(header) > header.bytes:
        raise ReadError(_too_short(header, header.bytes))


def read_slice(header: Header) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode one slice.

    Returns
    -------
    values, measured
        float32 (y, x) in the units of the series (HU for CT), and bool (y, x) that is false on
        padding, or None where no padding value is declared.
    """
    with reading(header.path):
        raw = _decode(header)
        stored = _stored_values(raw, header)
        slope, intercept = _rescale(header)
        # In double precision: stored values may have 32 bits.
        values = (stored * np.float64(slope) + intercept).astype(np.float32)
        return values, _measured(raw, stored, header)


def _declared_bytes(header: Header) -> int:
    return header.get("Rows") * header.get("Columns") * header.get("BitsAllocated") // 8


def _too_short(header: Header, there: int) -> str:
    return (
        f"{header.path}: {header.get('Columns')}×{header.get('Rows')} pixels declared "
        f"({_declared_bytes(header)} bytes), {there} bytes there: the file is cut off; copy it again"
    )


def _decode(header: Header) -> np.ndarray:
    """The cells as allocated, (y, x), unsigned or signed as the decoder has them."""
    dataset, has_pixels = load(
        header.path, _PIXEL_KEYWORDS, _declared_bytes(header) + _SLACK_BYTES, pixels=True
    )
    if not has_pixels:
        raise ReadError(f"{header.path}: no PixelData: the file is cut off or holds no image; copy it again")
    shape = (header.get("Rows"), header.get("Columns"))
    if header.transfer_syntax not in _NATIVE:
        return _decompress(dataset, header, shape)
    content = dataset.PixelData
    if len(content) < _declared_bytes(header):
        raise ReadError(_too_short(header, len(content)))
    cell = np.dtype(f"{_NATIVE[header.transfer_syntax]}u{header.get('BitsAllocated') // 8}")
    return np.frombuffer(content, cell, count=shape[0] * shape[1]).reshape(shape)


def _decompress(dataset: object, header: Header, shape: tuple[int, int]) -> np.ndarray:
    """By pydicom where it has a decoder (RLE always), else by the GDCM inside SimpleITK."""
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(header.transfer_syntax)
    except NotImplementedError:
        decoder = None
    if decoder is not None and decoder.is_available:
        with warnings.catch_warnings():
            # RLE states no size of its own: that it does not fit Rows and Columns shows as a warning only.
            warnings.simplefilter("error" if header.transfer_syntax == _RLE else "ignore")
            try:
                array = decoder.as_array(dataset, raw=True, index=0)[0]
            except Exception as error:
                raise ReadError(
                    f"{header.path}: its compressed pixels do not decode to {shape[1]}×{shape[0]} as the "
                    f"header says: the file is damaged; copy it again ({one_line(error)})"
                ) from error
    else:
        array = _decompress_by_gdcm(header)
    if array.shape != shape:
        raise ReadError(
            f"{header.path}: the compressed picture has {array.shape} rows and columns, the header says "
            f"{shape}: the file is damaged"
        )
    return array


def _decompress_by_gdcm(header: Header) -> np.ndarray:
    """The stored values of one file; ITK has rescaled them, in double precision where it must."""
    import SimpleITK
    from pydicom.uid import UID

    try:
        image = SimpleITK.ReadImage(str(header.path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        name = UID(header.transfer_syntax).name
        raise ReadError(
            f"{header.path}: its pixels ({name}) cannot be decoded: the file is damaged or the compression "
            "is not known; decompress it with gdcmconv --raw or dcmdjpeg"
        ) from error
    slope, intercept = _rescale(header)
    values = SimpleITK.GetArrayFromImage(image).astype(np.float64)
    if values.ndim != 3 or len(values) != 1:
        raise ReadError(f"{header.path}: holds {values.shape} values; expected one grey slice")
    return np.rint((values[0] - intercept) / slope).astype(np.int64)


def _stored_values(raw: np.ndarray, header: Header) -> np.ndarray:
    """The bits stored, as signed or unsigned numbers; overlays and rubbish in the other bits are cut off."""
    stored = header.get("BitsStored", header.get("BitsAllocated"))
    low = header.get("HighBit", stored - 1) + 1 - stored
    bits = (raw.astype(np.int64) >> low) & ((1 << stored) - 1)
    if header.get("PixelRepresentation", 0) == 1:
        sign = 1 << (stored - 1)
        bits = (bits ^ sign) - sign
    return bits


def _rescale(header: Header) -> tuple[float, float]:
    return header.get("RescaleSlope", 1.0), header.get("RescaleIntercept", 0.0)


def _measured(raw: np.ndarray, stored: np.ndarray, header: Header) -> np.ndarray | None:
    padding = header.get("PixelPaddingValue")
    if not isinstance(padding, int):
        return None
    limit = header.get("PixelPaddingRangeLimit", padding)
    allocated, signed = header.get("BitsAllocated"), header.get("PixelRepresentation", 0) == 1
    # Writers state a negative padding value of signed pixels as unsigned, and one wider than BitsStored.
    low, high = sorted(_as_cell(value, allocated, signed) for value in (padding, limit))
    cells = _as_cell(raw.astype(np.int64), allocated, signed)
    padded = ((stored >= low) & (stored <= high)) | ((cells >= low) & (cells <= high))
    return ~padded


def _as_cell(value: np.ndarray | int, allocated: int, signed: bool) -> np.ndarray | int:
    """``value`` as the cell of ``allocated`` bits would hold it."""
    wrapped = value & ((1 << allocated) - 1)
    sign = 1 << (allocated - 1)
    return (wrapped ^ sign) - sign if signed else wrapped
