"""What came back from townships and the bureau, as it was read: texts, outlines, photos.

Nothing is checked against the run here; a part that can not be used carries the reason with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal

from pipeline.errors import Finding

ReturnKind = Literal[
    "xlsx", "csv", "gpkg", "shp", "geojson", "photo", "survey_table", "sidecar", "unknown"
]
"""`survey_table` is a text of boundary points; `sidecar` belongs to another file or to the package
that was sent out, and is not read."""

FORM_KINDS: frozenset[ReturnKind] = frozenset({"xlsx", "csv", "gpkg"})
"""Files that a filled form can be in."""

SURVEY_KINDS: frozenset[ReturnKind] = frozenset(
    {"shp", "geojson", "survey_table", "gpkg", "csv", "xlsx"}
)
"""Files that survey boundaries can be in; the last three only where the folder says so."""


@dataclass(frozen=True)
class ReturnedFile:
    """One file that came back."""

    name: str
    """Below the returns folder, with slashes; inside an archive `a.zip!/b.xlsx`."""
    path: PathLike[str]
    """Where its bytes are while the returns are open."""
    sha256: str
    """Of its bytes; empty if they could not be read."""
    kind: ReturnKind
    problem: Finding | None = None
    """Why it is not to be read."""


@dataclass(frozen=True)
class FormRow:
    """One filled line of a form."""

    row_no: int
    """As the spreadsheet shows it, from 1; the `fid` in a GeoPackage."""
    values: Mapping[str, str | None]
    """Cleaned text by field name: dates ISO, numbers plain, yes and no as 是 and 否."""


@dataclass(frozen=True)
class FormTable:
    """The lines of one form; none if `problem` says why it can not be read."""

    columns: tuple[str, ...] = ()
    """Field names that the form has, in its order."""
    rows: tuple[FormRow, ...] = ()
    package_id: str | None = None
    """Id that the form names: of the package, or of the run on the bureau's forms."""
    unknown_headers: tuple[str, ...] = ()
    """Titles of columns that are not read."""
    sheet: str = ""
    """Sheet or layer it was read from."""
    problem: Finding | None = None
    outlines: Mapping[str, Any] = field(default_factory=dict)
    """Patch id → outline as shapely geometry in `crs`; of a GeoPackage only."""
    crs: Any = None
    """`pyproj.CRS` of the outlines; None where it is not stated."""
    notices: tuple[Finding, ...] = ()
    """What was understood only by guessing."""


@dataclass(frozen=True)
class SurveyFeature:
    """One surveyed boundary, or the reason why there is none."""

    patch_id: str | None
    """As written: an id of ours or an issued one; None if nothing is written."""
    geometry: Any
    """Polygon or MultiPolygon, x east and y north in `crs`; None with a `problem`."""
    crs: Any
    """`pyproj.CRS`; None only with a `problem`."""
    row_no: int | None = None
    """Row, record or line where it begins, from 1; None for the whole file."""
    surveyed_by: str | None = None
    surveyed_date: str | None = None
    """As written, ISO where it is a date."""
    problem: Finding | None = None
    notices: tuple[Finding, ...] = ()
    """What was understood only by guessing: swapped axes, a CRS that is not stated."""


@dataclass(frozen=True)
class PhotoFacts:
    """What a photo says of itself."""

    sha256: str
    problem: Finding | None = None
    lon: float | None = None
    """Degrees east, WGS 84; None where the camera stored no place."""
    lat: float | None = None
    """Degrees north."""
    azimuth_deg: float | None = None
    """Direction of view, clockwise from north, 0 up to but not including 360."""
    taken_at: str | None = None
    """Local time of the camera, YYYY-MM-DDTHH:MM:SS."""

    @property
    def ok(self) -> bool:
        """Whether it is a readable photo."""
        return self.problem is None
