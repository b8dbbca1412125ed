"""What lies behind a figure: rules, images and the place of a patch in them, input files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.delivery.tables.rule_words import text_words
from pipeline.delivery.tables.table import ASSUMED_ZH
from pipeline.io.geopackage import open_read_only
from pipeline.io.manifest import read_manifest
from pipeline.io.runs import RunPaths

PLACE_SQL = """SELECT first_row, first_col, n_pixels, before_date, after_date FROM patches
  WHERE patch_id = ?"""
IMAGES = (("before", "前时相"), ("after", "后时相"))


@contextmanager
def open_pixels(paths: RunPaths) -> Iterator[sqlite3.Connection | None]:
    """The outlines as they were extracted; None if they were removed to save space."""
    if not paths.extract_patches.is_file():
        yield None
        return
    with open_read_only(paths.extract_patches) as connection:
        yield connection


def pixel_words(pixels: sqlite3.Connection | None, patch_id: str) -> str:
    """Row and column of a patch's first pixel, how many it has, and its two dates."""
    row = None if pixels is None else pixels.execute(PLACE_SQL, (patch_id,)).fetchone()
    if row is None or row[0] is None:
        return "像元位置未提供"
    first_row, first_col, n_pixels, before, after = row
    place = f"首像元第 {first_row} 行第 {first_col} 列，共 {n_pixels} 个像元"
    return f"{place}（{before or '日期未知'} → {after or '日期未知'}）"


def image_lines(parts: sqlite3.Connection, paths: RunPaths) -> Iterator[str]:
    """The images to which rows and columns refer, with their dates and digests."""
    manifest = read_manifest(paths.manifest("statistics"))
    dates = {} if manifest is None else manifest.head.settings.get("dates") or {}
    digests = dict(parts.execute("SELECT input_name, content_sha256 FROM inputs"))
    yield "所用影像（行列号从 0 起，自上而下、自左而右，按配准后影像的格网数）："
    for own, label in IMAGES:
        date = dates.get(own) or "日期未知"
        aligned = digests.get(f"align>{own}.tif", "")[:16]
        source = digests.get(f"align<{own}", "")[:16]
        yield f"  {label}　{date}　align/{own}.tif　{aligned}　原片 {source or '未登记'}"


def rule_lines(
    parts: sqlite3.Connection, tables: Mapping[str, Any], table_id: str
) -> Iterator[str]:
    """The rules on which a table rests, and its notes."""
    row = parts.execute(
        "SELECT rule_ids FROM contributions WHERE table_id = ? LIMIT 1", (table_id,)
    ).fetchone()
    used = parts.execute(
        "SELECT rule_id, rule_title, rule_value, since_date, reference_zh, doc_no, is_assumption "
        "FROM rules_used ORDER BY rule_id"
    ).fetchall()
    yield "所用规则："
    for rule_id, title, value, since, reference, doc_no, is_assumption in used:
        if row is not None and rule_id in row[0].split():
            is_told = ASSUMED_ZH in (reference or "")
            mark = f"　{ASSUMED_ZH}" if is_assumption and not is_told else ""
            said = text_words(rule_id, value, _units().get(rule_id, "1"))
            yield f"  {rule_id} {title}＝{said}（自 {since}）；{reference} {doc_no or ''}{mark}"
    for note in tables[table_id]["notes"]:
        yield f"  口径：{note}"


@lru_cache
def _units() -> Mapping[str, str]:
    return {parameter.id: parameter.unit for parameter in load_rules(RULES_DIR).parameters}


def input_lines(parts: sqlite3.Connection) -> Iterator[str]:
    """Digests of what was collected and supplied."""
    yield "所用输入（内容摘要）："
    for name, digest in parts.execute(
        "SELECT input_name, content_sha256 FROM inputs WHERE input_name LIKE 'collect%' "
        "OR input_name LIKE 'intake<%' ORDER BY input_name"
    ):
        yield f"  {name}　{digest[:16]}"
