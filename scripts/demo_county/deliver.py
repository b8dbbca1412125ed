"""Every reference layer into its file, in the mixed formats that real sources use."""

from __future__ import annotations

from pathlib import Path

from . import layers, patrols
from .documents import Papers, Row, write_papers
from .issued import issued_patches
from .place import EPSG_ZONED
from .plants import Plant
from .siting import Ground
from .write import (
    forget_code_page,
    write_csv,
    write_gdb,
    write_geojson,
    write_gpkg,
    write_shapefile,
)

PBF_LAYER = "永久基本农田"


def deliver(raw: Path, reference: Path, plants: list[Plant], ground: Ground) -> Papers:
    """Write the reference layers and the issued patches; return the papers and events."""
    papers = write_papers(plants, ground)
    issued = issued_patches(ground.county.seed, plants, papers)
    write_shapefile(raw / "issued.shp", issued, "GBK")
    _standing(reference, plants, ground)
    _papers(reference, papers.rows)
    areas = patrols.patrol_areas(ground)
    write_gpkg(reference / "patrol_areas.gpkg", "XCQY", areas)
    write_gpkg(reference / "patrol_tracks.gpkg", "XCGJ", patrols.tracks(ground))
    write_csv(reference / "patrol_ledger.csv", patrols.ledger(ground, plants, papers), "gbk")
    write_csv(reference / "leads.csv", patrols.leads(ground, plants, papers), "utf-8-sig")
    return papers


def _standing(reference: Path, plants: list[Plant], ground: Ground) -> None:
    write_gpkg(reference / "xzq.gpkg", "XZQ", layers.townships(ground))
    write_gpkg(reference / "cjdcq.gpkg", "CJDCQ", layers.villages(ground))
    land = reference / "DLTB.shp"
    write_shapefile(land, layers.land_use(ground, plants), "GBK", EPSG_ZONED)
    forget_code_page(land)
    ranges = layers.village_ranges(ground, plants)
    protection = layers.farmland_protection(ground, ranges)
    write_gdb(reference / "yjbnt.gdb", PBF_LAYER, protection)
    zones = layers.planning_zones(ground, ranges, protection)
    write_gpkg(reference / "ghfq.gpkg", "GHFQ", zones)
    simple = layers.simple_layers(ground, ranges)
    write_geojson(reference / "stbhhx.geojson", "STBHHX", simple["redline"])
    write_gpkg(reference / "zrbhd.gpkg", "ZRBHD", simple["reserve"])
    write_gpkg(reference / "czkfbj.gpkg", "CZKFBJ", simple["urban_boundary"])
    write_gpkg(reference / "settlements_203.gpkg", "CZCDY203", simple["settlements"])
    write_gpkg(reference / "roads.gpkg", "DL", simple["roads"])
    write_gpkg(reference / "previous.gpkg", "QCTB", simple["previous"])


def _papers(reference: Path, rows: dict[str, list[Row]]) -> None:
    write_shapefile(reference / "approvals.shp", rows["approvals"], "UTF-8")
    write_geojson(reference / "supply.geojson", "GD", rows["supply"])
    write_gpkg(reference / "registration.gpkg", "BDCDJ", rows["registration"])
    write_gpkg(reference / "ssnyd.gpkg", "SSNYD", rows["facility_land"])
    write_gpkg(reference / "lsyd.gpkg", "LSYD", rows["temporary_land"])
    write_gpkg(reference / "permits.gpkg", "GHXK", rows["permits"])
    write_gpkg(reference / "mining_rights.gpkg", "CKQ", rows["mining_rights"])
