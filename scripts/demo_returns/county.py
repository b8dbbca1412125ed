"""What was sent out and what really happened: the run's patches and the plants behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry

SAME_SHARE = 0.5
"""Of the smaller of patch and plant that must lie in the other."""


@dataclass(frozen=True, eq=False)
class Plant:
    """One planted change."""

    truth_id: str
    case_id: str
    kind: str
    expected_class: str
    area_m2: float
    footprint: BaseGeometry
    events: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Event → date and text."""

    def day_of(self, event: str) -> str | None:
        """Date of an event, ISO."""
        found = self.events.get(event)
        return found[0] if found else None

    def text_of(self, event: str) -> str:
        """Text of an event."""
        found = self.events.get(event)
        return found[1] if found else ""


@dataclass(frozen=True, eq=False)
class Patch:
    """One patch of the run, as the bureau has it."""

    patch_id: str
    issued_id: str | None
    source: str
    township_code: str
    township_name: str
    village_name: str
    is_sent: bool
    area_m2: float
    cultivated_m2: float
    uncovered: dict[str, float]
    """What no approval covers: area, new, cultivated, pbf; m²."""
    lon_lat: tuple[float, float]
    geometry: BaseGeometry
    plant: Plant | None

    @property
    def case_id(self) -> str | None:
        """Planted case; None for a false alarm."""
        return self.plant.case_id if self.plant else None

    @property
    def is_issued(self) -> bool:
        """Whether it was issued from above."""
        return self.source in ("issued", "both")


def read_patches(data: Path, run: str) -> list[Patch]:
    """All patches of the run by id, each with its plant."""
    county = data / "runs" / run / "delivery" / "county.gpkg"
    table = pyogrio.read_dataframe(county, layer="patches")
    uncovered = _uncovered(county)
    plants = read_plants(data / "raw" / "demo" / "truth.gpkg")
    by_issue = {plant.text_of("issued"): plant for plant in plants if "issued" in plant.events}
    tree = shapely.STRtree([plant.footprint for plant in plants])
    patches = []
    for row in table.sort_values("patch_id").to_dict("records"):
        issued_id = _text(row["issued_id"])
        plant = by_issue.get(issued_id or "") or _plant_under(row["geometry"], plants, tree)
        patches.append(
            Patch(
                row["patch_id"], issued_id, row["source"], _text(row["township_code"]) or "",
                _text(row["township_name"]) or "", _text(row["village_name"]) or "本地",
                bool(row["is_sent"]), float(row["area_m2"]), float(row["cultivated_m2"]),
                uncovered.get(row["patch_id"], {}),
                (float(row["center_lon"]), float(row["center_lat"])), row["geometry"], plant,
            )
        )  # fmt: skip
    return patches


def read_plants(path: Path) -> list[Plant]:
    """The planted changes with their events."""
    events = pyogrio.read_dataframe(path, layer="events").to_dict("records")
    told: dict[str, dict[str, tuple[str, str]]] = {}
    for event in events:
        told.setdefault(event["truth_id"], {})[event["event"]] = (event["date"], event["text"])
    return [
        Plant(
            row["truth_id"], row["case_id"], row["kind"], row["expected_class"],
            float(row["area_m2"]), row["geometry"], told.get(row["truth_id"], {}),
        )
        for row in pyogrio.read_dataframe(path, layer="changes").to_dict("records")
    ]  # fmt: skip


def _plant_under(
    shape: BaseGeometry, plants: Sequence[Plant], tree: shapely.STRtree
) -> Plant | None:
    near = [plants[int(k)] for k in tree.query(shape, predicate="intersects")]
    if not near:
        return None
    best = max(near, key=lambda plant: shape.intersection(plant.footprint).area)
    common = shape.intersection(best.footprint).area
    return best if common >= SAME_SHARE * min(shape.area, best.footprint.area) else None


def _uncovered(county: Path) -> dict[str, dict[str, float]]:
    columns = ["patch_id", "area_m2", "land_category", "approval_id", "pbf_id"]
    parts = pyogrio.read_dataframe(county, layer="parts", columns=columns, read_geometry=False)
    sums: dict[str, dict[str, float]] = {}
    for part in parts.to_dict("records"):
        if _text(part["approval_id"]):
            continue
        own = sums.setdefault(
            part["patch_id"], {"area": 0.0, "new": 0.0, "cultivated": 0.0, "pbf": 0.0}
        )
        own["area"] += part["area_m2"]
        own["new"] += part["area_m2"] * (part["land_category"] != "construction")
        own["cultivated"] += part["area_m2"] * (part["land_category"] == "cultivated")
        own["pbf"] += part["area_m2"] * (_text(part["pbf_id"]) is not None)
    return sums


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def roll(*key: object) -> float:
    """A number from 0 up to but not including 1 that hangs on the key alone."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def pick(options: Sequence[Any], *key: object) -> Any:
    """One of the options, by the key."""
    return options[int(roll(*key) * len(options))]
