"""What all packages of a run are made from, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
from pyproj import CRS

from pipeline.config.models import RunConfig
from pipeline.delivery.card_images import Stretch, stretch_of
from pipeline.delivery.delivered import TABLE_OF_FIELD, Screened, Vocabulary
from pipeline.delivery.isolation import Township
from pipeline.delivery.projects import RasterView
from pipeline.grid import Grid
from pipeline.io.cogs import ImageFile, sample_image
from pipeline.io.vectors import FIXED_STAMP
from pipeline.stages.visits import VisitRules

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Picture:
    """An image and how it is shown."""

    image: ImageFile
    bands: tuple[int, ...]
    """Three for red, green, blue, or one for grey; from 1."""
    stretch: Stretch

    @property
    def view(self) -> RasterView:
        """The same for a QGIS project."""
        n = len(self.bands)
        return RasterView(self.bands, self.stretch.low[:n], self.stretch.high[:n])


@dataclass(frozen=True)
class Material:
    """Everything that packages are made from."""

    screened: Screened
    references: Mapping[str, gpd.GeoDataFrame]
    """Supplied reference layers by core name."""
    townships: tuple[Township, ...]
    vocabulary: Vocabulary
    pictures: Mapping[str, Picture]
    """`before` and `after`."""
    grid: Grid
    """The working grid."""
    observed: pd.DataFrame
    """How much of every unit's land was seen: the layer `observed`."""
    visit_rules: VisitRules

    @property
    def crs(self) -> CRS:
        """The working CRS."""
        assert self.grid.crs is not None  # a county run has a reference system
        return self.grid.crs

    @property
    def drop_downs(self) -> dict[str, Mapping[str, str]]:
        """Coded field → code → label."""
        return {name: self.vocabulary.labels(name) for name in TABLE_OF_FIELD}


def make_picture(image: ImageFile, valid: Path) -> Picture:
    """Natural colours if the bands are known, else the first three or the first."""
    if set(COLOURS) <= set(image.roles):
        bands = tuple(image.roles.index(colour) + 1 for colour in COLOURS)
    else:
        bands = (1, 2, 3) if len(image.roles) >= 3 else (1,)
    sample = sample_image(image, bands, valid)[:, None, :]
    return Picture(image, bands, stretch_of(sample, sample[0] == sample[0]))


def heading(run: RunConfig, township: str, identity: str) -> dict[str, str]:
    """The lines that every document of a package repeats."""
    return {
        "county": run.county_name,
        "township": township,
        "period": run.period,
        "secrecy": run.settings.package.secrecy,
        "package_id": identity,
        "due": "",
    }


def stamp_of(run: RunConfig) -> str:
    """The date inside files: of the issue, else of the after image; never a clock."""
    date = run.issued_on or run.after.date
    return FIXED_STAMP if date is None else f"{date.isoformat()}T00:00:00.000Z"
