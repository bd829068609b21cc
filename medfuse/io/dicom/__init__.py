"""DICOM series by pydicom.

Why not ITK's series reader: it is silently wrong on tilted, mixed, gapped, repeated and enhanced
series (it takes the first slices' distance for all, and one slope for all).  Here the headers are
read first, a series is exact, exact with a note, or refused with the fault's name, and only then
are pixels touched.

``parse`` opens one file, ``headers`` has its attributes as plain values, ``kinds`` says what it is,
``frames`` takes a multi-frame object apart, ``directory`` reads a DICOMDIR, ``discovery`` groups files
into series, ``planes`` takes each slice's plane, ``volumes`` splits a series of several volumes,
``stack`` makes a grid of the planes, ``pixels`` decodes slices, ``suv`` scales PET, ``ultrasound``
reads pictures, ``reader`` puts them together.  ``write`` makes a derived series,
``write_registration`` a Spatial Registration object, deformable where ``deformation`` can take the transform
apart; ``identity`` is what they copy.
"""

from __future__ import annotations

from .deformation import can_be_stated, deformation_of
from .discovery import files_of
from .identity import has_frame_of_reference, notes_on_patients, notes_on_writing
from .parse import looks_like_dicom
from .reader import inspect, read
from .write import Source, write_series
from .write_registration import write_deformation, write_registration

__all__ = [
    "Source",
    "can_be_stated",
    "deformation_of",
    "files_of",
    "has_frame_of_reference",
    "inspect",
    "looks_like_dicom",
    "notes_on_patients",
    "notes_on_writing",
    "read",
    "write_deformation",
    "write_registration",
    "write_series",
]
