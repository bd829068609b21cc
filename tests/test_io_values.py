"""Values in DICOM: rescale that some slices lack, unusual units, bits and pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from oriented import ORIENTED
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from medfuse.errors import ReadError, SeriesError
from medfuse.io import describe, read_volume

GRID = ORIENTED["oblique"]
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")
PET = "1.2.840.10008.5.1.4.1.1.128"


def series(folder: Path, edit: Callable[[Dataset, int], Any], **options: Any) -> Path:
    write_series(folder, STORED, GRID, edit=edit, **options)
    return folder


class TestRescale:
    @pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
    def test_in_some_slices_only_is_refused(self, tmp_path: Path, keyword: str) -> None:
        folder = series(tmp_path, lambda dataset, k: delattr(dataset, keyword) if k == 2 else None)
        with pytest.raises(SeriesError, match=f"1 of 5 slices have no {keyword}"):
            read_volume(folder)
        assert keyword in describe(folder)[0].problem

    def test_ct_without_intercept_is_noted(self, tmp_path: Path) -> None:
        volume = read_volume(series(tmp_path, lambda dataset, k: delattr(dataset, "RescaleIntercept")))
        np.testing.assert_array_equal(volume.array, STORED)
        assert volume.notes == ("CT without rescale intercept: the values are as stored and may not be HU",)

    @pytest.mark.parametrize(("unit", "noted"), [("HU", False), ("US", True), ("Z_EFF", True)])
    def test_ct_in_other_units_is_noted(self, tmp_path: Path, unit: str, noted: bool) -> None:
        volume = read_volume(series(tmp_path, lambda dataset, k: setattr(dataset, "RescaleType", unit)))
        note = f"CT in units of ‹{unit}› (RescaleType), which are not HU"
        assert volume.notes == ((note,) if noted else ())


def pet(**values: Any) -> Callable[[Dataset, int], None]:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.SOPClassUID, dataset.Modality = PET, "PT"
        dataset.RescaleIntercept, dataset.RescaleSlope = "0", "1.7"
        for name, value in values.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)

    return edit


class TestPet:
    @pytest.mark.parametrize(
        ("values", "notes"),
        [
            ({"Units": "BQML"}, ()),
            ({"Units": "CNTS"}, ("PET in units of ‹CNTS›: counts, which are no activity concentration",)),
            ({}, ("PET that states no units",)),
            (
                {"Units": "BQML", "RescaleSlope": None},
                ("PET without rescale slope: the values are as stored, slices may be scaled differently",),
            ),
        ],
    )
    def test_units_are_said(self, tmp_path: Path, values: dict, notes: tuple[str, ...]) -> None:
        assert read_volume(series(tmp_path, pet(**values))).notes == notes

    def philips(self, suv: str | bytes, activity: str) -> Callable[[Dataset, int], None]:
        def edit(dataset: Dataset, k: int) -> None:
            pet(Units="CNTS")(dataset, k)
            block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
            block.add_new(0x00, "UN" if isinstance(suv, bytes) else "DS", suv)
            block.add_new(0x09, "DS", activity)
            dataset.CorrectedImage, dataset.DecayCorrection = ["ATTN", "DECY"], "ADMIN"
            dataset.PatientWeight = "80"
            drug = Dataset()
            drug.RadionuclideTotalDose = "400000000"
            dataset.RadiopharmaceuticalInformationSequence = [drug]

        return edit

    def test_philips_factor_from_counts(self, tmp_path: Path) -> None:
        folder = series(tmp_path, self.philips("0.000551", "0"))
        volume = read_volume(folder, suv=True)
        np.testing.assert_allclose(volume.array, STORED * 1.7 * 0.000551, rtol=1e-6)
        assert volume.notes == ("standardised uptake values by Philips' factor from counts (7053,1000)",)
        np.testing.assert_allclose(read_volume(folder).array, STORED * 1.7, rtol=1e-6)

    @pytest.mark.parametrize("stored", [b"0.000551", b" 0.000551 ", b"0.00551e-1\0"])
    def test_philips_factor_as_bytes(self, tmp_path: Path, stored: bytes) -> None:
        """As archives that do not know the private tag pass it on: of unknown kind, padded."""
        volume = read_volume(series(tmp_path, self.philips(stored, "0")), suv=True)
        np.testing.assert_allclose(volume.array, STORED * 1.7 * 0.000551, rtol=1e-6)

    def test_philips_factor_to_activity(self, tmp_path: Path) -> None:
        volume = read_volume(series(tmp_path, self.philips("0", "2.5")), suv=True)
        np.testing.assert_allclose(volume.array, STORED * 1.7 * 2.5 * 80_000 / 4e8, rtol=1e-6)

    def test_without_a_factor_counts_are_no_suv(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="no SUV: its units are CNTS"):
            read_volume(series(tmp_path / "a", self.philips("0", "0")), suv=True)
        with pytest.raises(ReadError, match="no SUV: its units are CNTS"):
            read_volume(series(tmp_path / "b", pet(Units="CNTS")), suv=True)


class TestPixels:
    def test_bits_beyond_those_stored_are_cut_off_with_a_note(self, tmp_path: Path) -> None:
        def edit(dataset: Dataset, k: int) -> None:
            dataset.BitsStored, dataset.HighBit = 12, 11
            if k in (1, 3):
                plane = STORED[k].copy()
                plane[0, 0] += 1 << 13
                dataset.PixelData = plane.tobytes()

        volume = read_volume(series(tmp_path, edit))
        np.testing.assert_array_equal(volume.array, STORED - 1024.0)
        assert volume.notes == (
            "2 slice(s) hold more than the 12 bits that they declare; what is beyond was cut off",
        )

    def test_the_sign_is_no_bit_beyond(self, tmp_path: Path) -> None:
        values = STORED.astype("i2") - 1000

        def edit(dataset: Dataset, k: int) -> None:
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 1
            dataset.PixelData = values[k].tobytes()

        volume = read_volume(series(tmp_path, edit))
        np.testing.assert_array_equal(volume.array, values - 1024.0)
        assert volume.notes == ()

    def test_compressed_pixels_under_an_uncompressed_syntax_are_refused(self, tmp_path: Path) -> None:
        def edit(dataset: Dataset, k: int) -> None:
            dataset.compress(RLELossless)
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian

        with pytest.raises(ReadError, match=r"stored in compressed form, but .* says uncompressed"):
            read_volume(series(tmp_path, edit))

    @pytest.mark.parametrize("vr", ["OW", "OB"])
    def test_8_bits_in_big_endian(self, tmp_path: Path, vr: str) -> None:
        """In words of 16 bits, every two bytes stand turned around; in bytes they do not."""
        values = (STORED % 251).astype("u1")

        def edit(dataset: Dataset, k: int) -> None:
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            content = values[k].tobytes()
            turned = np.frombuffer(content, "<u2").astype(">u2").tobytes()
            dataset.PixelData = turned if vr == "OW" else content
            dataset["PixelData"].VR = vr

        folder = series(tmp_path, edit, syntax=ExplicitVRBigEndian)
        np.testing.assert_array_equal(read_volume(folder).array, values - 1024.0)

    def test_jpeg_of_12_bits(self, tmp_path: Path) -> None:
        """A JPEG of one flat block (8×8), written by hand: Pillow decodes 8 bits only."""

        def edit(dataset: Dataset, k: int) -> None:
            dataset.Rows = dataset.Columns = 8
            dataset.BitsStored, dataset.HighBit = 12, 11
            dataset.PixelData = encapsulate([flat_jpeg(difference=40 * (k + 1))])
            dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
            dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.51"

        volume = read_volume(series(tmp_path, edit))
        # a DC coefficient of d raises all 64 samples by d/8 over the middle, 2048
        for k in range(5):
            np.testing.assert_array_equal(volume.array[k], 2048 + 5 * (k + 1) - 1024)


def flat_jpeg(difference: int) -> bytes:
    """A sequential 12-bit JPEG (ITU-T T.81) of 8×8 samples: its one DC coefficient, quantised by 1."""
    quantisation = b"\xff\xdb\x00\x43\x00" + b"\x01" * 64
    frame = b"\xff\xc1\x00\x0b\x0c" + b"\x00\x08\x00\x08" + b"\x01\x01\x11\x00"
    # DC: sixteen lengths of codes; all sixteen categories get a code of five bits: category c is c
    dc = b"\xff\xc4\x00\x1f\x00" + bytes([0, 0, 0, 0, 12] + [0] * 11) + bytes(range(12))
    ac = b"\xff\xc4\x00\x14\x10" + bytes([1] + [0] * 15) + b"\x00"  # one code, '0': end of block
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    category = difference.bit_length()
    bits = f"{category:05b}{difference:0{category}b}0"
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return b"\xff\xd8" + quantisation + frame + dc + ac + scan + coded + b"\xff\xd9"
