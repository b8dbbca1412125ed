"""Stage 7, `package` 核查包: screened patches → one package per township, and the bureau's files.

`packages/<code>_<name>/` and `.zip` hold what one township may see; `delivery/` is the bureau's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd

from pipeline.config.load import load_all_codes
from pipeline.delivery.delivered import (
    Screened,
    Vocabulary,
    in_order,
    package_id,
    verify_table,
)
from pipeline.delivery.isolation import NEVER_DELIVERED, Township, find_townships
from pipeline.errors import Finding, InputError, Severity
from pipeline.io.cogs import ImageFile, open_image
from pipeline.io.rasters import read_grid
from pipeline.io.reports import read_json
from pipeline.io.vectors import read_layer
from pipeline.schema.layers import PARTS, REASONS, SCREENED
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.bureau_delivery import write_delivery
from pipeline.stages.card_press import CardPress
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.layers import supplied_layers
from pipeline.stages.observed import measure_observed
from pipeline.stages.package_material import Material, make_picture
from pipeline.stages.township_package import Begun, Order, begin_package, finish_package
from pipeline.stages.visits import plan_visits, require_seats, visit_rules


def run(context: StageContext) -> StageReport:
    """Write every package and the bureau's folder."""
    material = _load(context)
    context.paths.packages.mkdir(parents=True, exist_ok=True)
    orders = _orders(context, material)
    archives, notices = _write_packages(context, material, orders)
    write_delivery(context, material, [order.visits for order in orders])
    patches = material.screened.patches
    outside = int(patches["township_code"].isna().sum())
    sent = sum(len(order.screened.patches) for order in orders)
    counts: dict[str, Number] = {
        "packages": len(orders),
        "patches": len(patches),
        "patches_sent": sent,
        "patches_withheld": len(patches) - sent - outside,
        "patches_outside": outside,
        "townships": len(material.townships),
        "townships_without_package": len(material.townships) - len(orders),
        "bytes": sum(archive.stat().st_size for archive in archives),
    }
    return StageReport(counts, (*_notices(outside), *notices))


def _orders(context: StageContext, material: Material) -> list[Order]:
    """A package for every township that has something to verify."""
    withheld = context.run.settings.package.withheld_classes
    orders = []
    for township in material.townships:
        screened = material.screened.of(township.code, withheld)
        if len(screened.patches):
            identity = package_id(context.run.run, township.code, screened)
            folder = context.paths.package(township.code, township.name)
            table = verify_table(screened, township, material.vocabulary, identity)
            visits = plan_visits(context, township, table, material.visit_rules)
            orders.append(Order(township, screened, identity, folder, table, visits))
    return orders


def _write_packages(
    context: StageContext, material: Material, orders: list[Order]
) -> tuple[list[Path], list[Finding]]:
    """All packages; the cards of one are typeset while the next is begun."""
    progress = context.progress("核查包")
    archives: list[Path] = []
    notices: list[Finding] = []

    def finish(begun: Begun | None) -> None:
        if begun is not None:
            archive, told = finish_package(context, begun)
            archives.append(archive)
            notices.extend(told)
            progress(len(archives), len(orders))

    waiting: Begun | None = None
    with CardPress() as press:
        for order in orders:
            following = begin_package(context, material, order, press)
            finish(waiting)
            waiting = following
        finish(waiting)
    return archives, notices


def _load(context: StageContext) -> Material:
    paths, run = context.paths, context.run
    references = _references(paths.intake_layers)
    screened = Screened(
        in_order(read_layer(paths.screened, SCREENED)),
        read_layer(paths.overlay, PARTS),
        read_layer(paths.screened, REASONS),
    )
    on = run.after.date.isoformat() if run.after.date else None
    townships = find_townships(
        references["townships"],
        references.get("villages"),
        on,
        zones_first=run.settings.overlay.development_zone_first,
    )
    _require_receivers(screened, townships, paths.screened)
    require_seats(context, townships)
    vocabulary = Vocabulary(load_all_codes())
    _require_classes(run.settings.package.withheld_classes, vocabulary)
    images = aligned_images(context)
    return Material(
        screened=screened,
        references=references,
        townships=townships,
        vocabulary=vocabulary,
        pictures={name: make_picture(image, paths.align_valid) for name, image in images.items()},
        grid=read_grid(paths.align_valid),
        observed=measure_observed(context),
        visit_rules=visit_rules(context, screened.patches),
    )


def _references(path: Path) -> dict[str, gpd.GeoDataFrame]:
    """The supplied reference layers by core name, without what never leaves the register."""
    present = supplied_layers(path)
    return {
        name: read_layer(path, spec)
        for name, spec in REFERENCE_LAYERS.items()
        if name in present and name not in NEVER_DELIVERED
    }


def aligned_images(context: StageContext) -> Mapping[str, ImageFile]:
    """The aligned images of both dates, with the number that stands for nothing seen."""
    rules: dict[str, dict[str, Any]] = read_json(context.paths.align_fit).get("nodata", {})
    files = {"before": context.paths.align_before, "after": context.paths.align_after}
    images = {}
    for name, path in files.items():
        rule = rules.get(name, {})
        declared, collars = rule.get("declared"), rule.get("collars") or [None]
        # A package can show one number only as nothing: the first collar, black where there is one.
        images[name] = open_image(path, collars[0] if declared is None else declared)
    return images


def _require_receivers(screened: Screened, townships: tuple[Township, ...], path: Path) -> None:
    known = {one.code for one in townships}
    missing = sorted(set(screened.patches["township_code"].dropna()) - known)
    if missing:
        raise InputError(
            Finding(
                "E-LAYER-SCHEMA",
                "图斑所属的乡镇在后时相当日没有有效的范围。",
                where=str(path),
                value="、".join(missing),
                advice="重新运行入库检查和套合分析。",
            )
        )


def _require_classes(withheld: tuple[str, ...], vocabulary: Vocabulary) -> None:
    known = vocabulary.labels("suspected_class")
    findings = [
        Finding(
            "E-CONFIG-VALUE",
            f"没有初判类别“{code}”。",
            where="settings.package.withheld_classes",
            value=code,
            allowed="、".join(f"{key}（{label}）" for key, label in known.items()),
            advice="用列出的代码。",
        )
        for code in withheld
        if code not in known
    ]
    if findings:
        raise InputError(findings)


def _notices(outside: int) -> tuple[Finding, ...]:
    if not outside:
        return ()
    return (
        Finding(
            "N-LAYER-GAP",
            f"{outside} 个图斑不在任何乡镇范围内，没有下发，留县局处理（见 county.gpkg）。",
            # No absolute path: it goes into the manifest.
            where="delivery/county.gpkg",
            advice="核对乡镇范围图层是否盖满全县。",
            severity=Severity.NOTICE,
        ),
    )
