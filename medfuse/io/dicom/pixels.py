"""The values of one slice: decoded, masked to the bits stored, rescaled by its own slope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import ReadError
from ..files import blames_data, one_line, reading
from ..sitk_files import to_read
from .headers import DicomHeader
from .parse import load
from .rle import decode_rle

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SlicePixels", "check_pixels", "read_slices"]

_NATIVE = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}
"""Transfer syntaxes with plain pixels -> byte order."""

_ITEM, _END_OF_ITEMS = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_RLE = "1.2.840.10008.1.2.5"
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"

_PIXEL_KEYWORDS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
)  # fmt: skip
_SLACK_BYTES = 16 << 20  # header and trailing elements of a deflated file


@dataclass(frozen=True)
class _Cell:
    """How a number sits in its cell (PS3.5 section 8.1.1): ``stored`` bits, the highest at ``high``."""

    allocated: int
    stored: int
    high: int
    signed: bool

    @classmethod
    def of(cls, header: DicomHeader) -> _Cell:
        allocated = header.get("BitsAllocated", 0)
        stored = header.get("BitsStored", allocated)
        return cls(
            allocated, stored, header.get("HighBit", stored - 1), header.get("PixelRepresentation") == 1
        )

    def numbers(self, raw: np.ndarray) -> np.ndarray:
        """The bits stored, as numbers; overlays and rubbish in the other bits are cut off."""
        if self.stored == self.allocated and raw.dtype.kind == "u" and raw.itemsize * 8 == self.allocated:
            return raw.view(raw.dtype.str.replace("u", "i")) if self.signed else raw
        wide: np.ndarray = raw.astype(np.int32 if self.allocated <= 16 else np.int64)
        result: np.ndarray = _wrapped(wide >> (self.high + 1 - self.stored), self.stored, self.signed)
        return result

    def whole(self, value: np.ndarray | int) -> np.ndarray | int:
        """``value`` as the whole cell would hold it, as a signed number where the pixels are signed."""
        result: np.ndarray | int = _wrapped(value, self.allocated, self.signed)
        return result

    def has_more_bits(self, raw: np.ndarray, numbers: np.ndarray) -> bool:
        """Whether bits beyond those stored are set, other than by the sign."""
        if self.stored == self.allocated or self.high != self.stored - 1:
            return False
        return not np.array_equal(self.whole(raw.astype(np.int64)), numbers)


def _wrapped(value: Any, bits: int, signed: bool) -> Any:
    """The lowest ``bits`` of ``value``, as a signed or an unsigned number."""
    low = value & ((1 << bits) - 1)
    sign = 1 << (bits - 1)
    return (low ^ sign) - sign if signed else low


class SlicePixels(NamedTuple):
    """What one slice holds.

    ``values`` are float32 (y, x) in the units of the series (HU for CT); ``measured`` bool (y, x) is false
    on padding, or None where no padding value is declared; ``has_more_bits`` says that cells held more than
    the bits stored, which were cut off.
    """

    values: np.ndarray
    measured: np.ndarray | None
    has_more_bits: bool


def check_pixels(header: DicomHeader) -> None:
    """Refuse, before any pixel is touched, what cannot be decoded or is not all there.

    Raises
    ------
    ReadError
        Naming the file and the attribute.
    """
    cell = _Cell.of(header)
    if cell.allocated not in (8, 16, 32) or not 1 <= cell.stored <= cell.high + 1 <= cell.allocated:
        raise ReadError(
            f"{header.path}: BitsAllocated {cell.allocated}, BitsStored {cell.stored}, HighBit {cell.high}; "
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


def read_slices(headers: Iterable[DicomHeader]) -> Iterator[SlicePixels]:
    """Decode slices one after the other; frames of one file that follow each other open it once."""
    opened: tuple[Path, Dataset] | None = None
    for header in headers:
        with reading(header.path):
            if opened is None or opened[0] != header.path:
                opened = None  # frees the pixels of the file before
                opened = header.path, _open(header)
            raw = _decode(opened[1], header)
            cell = _Cell.of(header)
            numbers = cell.numbers(raw)
            yield SlicePixels(
                _rescaled(numbers, header),
                _measured(raw, numbers, cell, header),
                cell.has_more_bits(raw, numbers),
            )


def _frame_bytes(header: DicomHeader) -> int:
    result: int = header.get("Rows") * header.get("Columns") * header.get("BitsAllocated") // 8
    return result


def _declared_bytes(header: DicomHeader) -> int:
    result: int = _frame_bytes(header) * header.get("NumberOfFrames", 1)
    return result


def _too_short(header: DicomHeader, there: int) -> str:
    return (
        f"{header.path}: {header.get('Columns')}×{header.get('Rows')} pixels declared "
        f"({_declared_bytes(header)} bytes), {there} bytes there: the file is cut off; copy it again"
    )


def _open(header: DicomHeader) -> Dataset:
    dataset, has_pixels = load(
        header.path, _PIXEL_KEYWORDS, _declared_bytes(header) + _SLACK_BYTES, pixels=True
    )
    if not has_pixels:
        raise ReadError(f"{header.path}: no PixelData: the file is cut off or holds no image; copy it again")
    if header.transfer_syntax in _NATIVE:
        if dataset["PixelData"].is_undefined_length or _is_encapsulated(dataset.PixelData):
            raise ReadError(
                f"{header.path}: its pixels are stored in compressed form, but its transfer syntax says "
                "uncompressed; export the series again from the PACS"
            )
        if len(dataset.PixelData) < _declared_bytes(header):
            raise ReadError(_too_short(header, len(dataset.PixelData)))
    return dataset


def _is_encapsulated(content: bytes) -> bool:
    """Whether these are items of compressed pixels from the first byte to the last (PS3.5 A.4)."""
    at = 0
    while content[at : at + 4] == _ITEM:
        at += 8 + int.from_bytes(content[at + 4 : at + 8], "little")
    return at > 0 and (at >= len(content) - 1 or content[at : at + 4] == _END_OF_ITEMS)


def _decode(dataset: Dataset, header: DicomHeader) -> np.ndarray:
    """The cells as allocated, (y, x), unsigned or signed as the decoder has them."""
    shape = (header.get("Rows"), header.get("Columns"))
    if header.transfer_syntax not in _NATIVE:
        return _decompress(dataset, header, shape)
    order = _NATIVE[header.transfer_syntax]
    cell = np.dtype(f"{order}u{header.get('BitsAllocated') // 8}")
    start = _frame_bytes(header) * (header.frame or 0)
    content = dataset.PixelData
    if order == ">" and cell.itemsize == 1 and dataset["PixelData"].VR == "OW":
        # Bytes in words of 16 bits, which big endian turns around (PS3.5 8.1.2).
        content = np.frombuffer(content[: len(content) // 2 * 2], ">u2").astype("<u2").tobytes()
    return np.frombuffer(content, cell, shape[0] * shape[1], start).reshape(shape)


def _decompress(dataset: Dataset, header: DicomHeader, shape: tuple[int, int]) -> np.ndarray:
    """RLE here, else by pydicom where it has a decoder, else by the GDCM inside SimpleITK."""
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(header.transfer_syntax)
    except NotImplementedError:
        decoder = None
    try:
        if header.transfer_syntax == _RLE:
            array = decode_rle(_encoded_frame(dataset, header), shape, header.get("BitsAllocated") // 8)
        elif decoder is not None and decoder.is_available and not _is_12_bit_jpeg(header):
            array = decoder.as_array(dataset, raw=True, index=header.frame or 0)[0]
        else:
            array = _decompress_by_gdcm(header)
    except ReadError:
        raise
    except Exception as error:
        if not blames_data(error):
            raise
        raise ReadError(
            f"{header.path}: its compressed pixels do not decode to {shape[1]}×{shape[0]} as the "
            f"header says: the file is damaged; copy it again ({one_line(error)})"
        ) from error
    if array.shape != shape:
        raise ReadError(
            f"{header.path}: the compressed picture has {array.shape} rows and columns, the header says "
            f"{shape}: the file is damaged"
        )
    return array


def _is_12_bit_jpeg(header: DicomHeader) -> bool:
    """JPEG Extended of more than 8 bits, which Pillow, pydicom's decoder, cannot decode."""
    return header.transfer_syntax == _JPEG_EXTENDED and header.get("BitsStored", 8) > 8


def _encoded_frame(dataset: Dataset, header: DicomHeader) -> bytes:
    from pydicom.encaps import get_frame

    result: bytes = get_frame(
        dataset.PixelData, header.frame or 0, number_of_frames=header.get("NumberOfFrames", 1)
    )
    return result


def _decompress_by_gdcm(header: DicomHeader) -> np.ndarray:
    """The stored values of one file; ITK has rescaled them, in double precision where it must."""
    import SimpleITK
    from pydicom.uid import UID

    if header.frame is not None:  # ITK would rescale all frames by the slope of one
        raise ReadError(
            f"{header.path}: frames compressed as {UID(header.transfer_syntax).name} are not read; "
            "decompress the file with gdcmconv --raw or dcmdjpeg"
        )
    try:
        with to_read(header.path) as path:
            image = SimpleITK.ReadImage(path, imageIO="GDCMImageIO")
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
    result: np.ndarray = np.rint((values[0] - intercept) / slope).astype(np.int64)
    return result


def _rescale(header: DicomHeader) -> tuple[float, float]:
    return header.get("RescaleSlope", 1.0), header.get("RescaleIntercept", 0.0)


def _rescaled(numbers: np.ndarray, header: DicomHeader) -> np.ndarray:
    slope, intercept = _rescale(header)
    if slope == 1 and numbers.itemsize <= 2 and abs(intercept) < 1 << 16 and intercept == int(intercept):
        return numbers.astype(np.float32) + np.float32(intercept)  # exact, as is most CT
    return (numbers * np.float64(slope) + intercept).astype(np.float32)


def _measured(raw: np.ndarray, numbers: np.ndarray, cell: _Cell, header: DicomHeader) -> np.ndarray | None:
    padding = header.get("PixelPaddingValue")
    if padding is None:
        return None
    limit = header.get("PixelPaddingRangeLimit", padding)
    # Writers state a negative padding value of signed pixels as unsigned, and one wider than BitsStored.
    low, high = sorted(cell.whole(value) for value in (padding, limit))
    cells = cell.whole(raw.astype(np.int64))
    return ~(((numbers >= low) & (numbers <= high)) | ((cells >= low) & (cells <= high)))
