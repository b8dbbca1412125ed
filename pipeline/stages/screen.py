"""Stage 6, `screen` 合规初判: overlaid patches → what each is suspected to be, and why.

Rules count on the patch's after date; where that is not known, on the run's after date, else on
the day the packages go out.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import geopandas as gpd
import pandas as pd

from pipeline.config.load import CODES_DIR, RULES_DIR, load_codes, load_rules
from pipeline.errors import Finding, InputError, RuleError
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer, write_layers
from pipeline.rules.parameters import RuleSet
from pipeline.rules.screening.earlier import earlier_lands
from pipeline.rules.screening.evidence_tables import Evidence, Reach, gather_facts
from pipeline.rules.screening.facts import DOCUMENT_LAYERS
from pipeline.rules.screening.groups import REACH_RULE, group_transfers
from pipeline.rules.screening.nearby import adjoining_pairs
from pipeline.rules.screening.priority import DEADLINE_RULE, due_date
from pipeline.rules.screening.screen import Screening, screen_patch
from pipeline.schema.codes import CodeTable
from pipeline.schema.layers import OVERLAID, PARTS, REASONS, SCREENED
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import Number, StageContext, StageReport
from pipeline.stages.identity import read_identity
from pipeline.stages.layers import supplied_layers

CODE_TABLES = (
    "change_kind",
    "suspected_class",
    "violation_kind",
    "flag",
    "priority_part",
    "lineage_relation",
    "earlier_state",
    "handling_route",
    "department",
    "other_use",
)
"""Tables whose labels and texts the reasons use."""

CONTEXT_LAYERS = (
    "urban_boundary",
    "settlements",
    "planning_zones",
    "roads",
    "previous_patches",
)
"""Layers read beside the documents; the others are already in the overlay's parts."""

REACH_RULES = ("screening.highway_buffer", "screening.parcel_reach", "elsewhere.reach")

NEEDED_GROUPS = (
    "screening",
    "transfer",
    "homestead",
    "entrance",
    "elsewhere",
    "purpose",
    "concealment",
    "route",
    "minimum",
)
"""Rules without which nothing can be screened; others, out of force, only stay silent."""

_IS_CONSTRUCTION = {"1": True, "0": False}


def run(context: StageContext) -> StageReport:
    """Screen every patch of the overlay."""
    paths, rules = context.paths, load_rules(RULES_DIR)
    codes = {name: load_codes(CODES_DIR / f"{name}.csv") for name in CODE_TABLES}
    patches = read_layer(paths.overlay, OVERLAID)
    dates = _rule_dates(context, patches)
    evidence = Evidence(
        patches,
        read_layer(paths.overlay, PARTS),
        _read_layers(paths),
        _construction_kinds(codes["change_kind"]),
        earlier_lands(read_identity(paths.extract_patches)),
    )
    require_rules(rules, dates)
    reaches = [Reach(*(float(rules.at(name, on).number()) for name in REACH_RULES)) for on in dates]
    show = context.progress("合规初判")
    screened: list[Screening] = []
    for facts, on in zip(gather_facts(evidence, reaches), dates, strict=True):
        screened.append(screen_patch(facts, rules, on, codes))
        show(len(screened), len(dates))
    reach_rules = [rules.at(REACH_RULE, on) for on in dates]
    screened = group_transfers(screened, adjoining_pairs(patches, reach_rules), rules, dates, codes)
    write_layers(
        paths.screened,
        {
            SCREENED: _patch_table(patches, screened, rules, context.run.issued_on),
            REASONS: _reason_table(screened),
        },
        None if patches.crs is None else patches.crs.to_wkt(),
    )
    return StageReport(_counts(patches, screened, rules, context.run.issued_on))


def _rule_dates(context: StageContext, patches: gpd.GeoDataFrame) -> list[datetime.date]:
    """The date that decides the rules of each patch."""
    otherwise = context.run.after.date or context.run.issued_on
    dates = [
        otherwise if pd.isna(text) else datetime.date.fromisoformat(text)
        for text in patches["after_date"]
    ]
    known = [date for date in dates if date is not None]
    if len(known) < len(dates):
        raise InputError(
            Finding(
                "E-CONFIG-VALUE",
                "有图斑没有后时相，运行配置也没有影像日期和下发日期，无法确定适用哪一日的规则。",
                where=f"运行 {context.run.run}",
                allowed="after.date 或 issued_on，YYYY-MM-DD",
                advice="在运行配置中写明后时相的日期。",
            )
        )
    return known


def require_rules(rules: RuleSet, dates: Sequence[datetime.date]) -> None:
    """`RuleError` with every rule that screening needs and that is not in force on a date."""
    needed = [p.id for p in rules.parameters if p.id.split(".")[0] in NEEDED_GROUPS]
    findings = [
        finding
        for on in sorted(set(dates))
        for rule_id in rules.not_in_force(needed, on)
        for finding in refused(rules, rule_id, on)
    ]
    if findings:
        raise RuleError(findings)


def refused(rules: RuleSet, rule_id: str, on: datetime.date) -> Sequence[Finding]:
    """Why a rule has no value on a date."""
    try:
        rules.at(rule_id, on)
    except RuleError as error:
        return error.findings
    return ()


def _read_layers(paths: RunPaths) -> dict[str, gpd.GeoDataFrame]:
    present = supplied_layers(paths.intake_layers)
    wanted = (*DOCUMENT_LAYERS, *CONTEXT_LAYERS)
    return {
        name: read_layer(paths.intake_layers, REFERENCE_LAYERS[name])
        for name in wanted
        if name in present
    }


def _construction_kinds(table: CodeTable) -> dict[str, bool | None]:
    return {
        code: _IS_CONSTRUCTION.get(columns["is_construction"])
        for code, columns in table.attributes.items()
    }


def _patch_table(
    patches: gpd.GeoDataFrame,
    screened: Sequence[Screening],
    rules: RuleSet,
    issued_on: datetime.date | None,
) -> gpd.GeoDataFrame:
    due = due_date(issued_on, rules)
    columns: Mapping[str, list[object]] = {
        "suspected_class": [s.suspected_class for s in screened],
        "violation_kinds": [list(s.violation_kinds) for s in screened],
        "primary_kind": [s.primary_kind for s in screened],
        "flags": [list(s.flags) for s in screened],
        "reasons": [s.sentences for s in screened],
        "missing_evidence": [list(s.missing_evidence) for s in screened],
        "handling_route": [s.handling_route for s in screened],
        "handover_department": [s.handover_department for s in screened],
        "group_id": [s.group_id for s in screened],
        "priority_parts": [[asdict(part) for part in s.priority_parts] for s in screened],
        "due_date": [None if due is None else due.isoformat()] * len(screened),
        "rule_set": [rules.digest()] * len(screened),
    }
    table = patches.assign(
        **{name: pd.Series(values, patches.index, object) for name, values in columns.items()},
        priority=pd.Series([s.priority for s in screened], patches.index, "int64"),
    )
    return table[[*SCREENED.fields, "geometry"]]


def _reason_table(screened: Sequence[Screening]) -> pd.DataFrame:
    rows = [
        {
            "patch_id": one.patch_id,
            "reason_no": number,
            "step": reason.step,
            "rule_id": reason.rule_id,
            "text_zh": reason.text_zh,
            "reference_zh": reason.reference_zh,
            "is_assumption": reason.is_assumption,
        }
        for one in screened
        for number, reason in enumerate(one.reasons, start=1)
    ]
    table = pd.DataFrame(rows, columns=list(REASONS.fields), dtype=object)
    return table.astype({"reason_no": "int64", "is_assumption": "bool"})


def _counts(
    patches: gpd.GeoDataFrame,
    screened: Sequence[Screening],
    rules: RuleSet,
    issued_on: datetime.date | None,
) -> dict[str, Number]:
    """Patches by class, by class and source, by flag; which assumptions stood behind them."""
    classes = Counter(s.suspected_class for s in screened)
    pairs = Counter(
        (str(source), s.suspected_class)
        for source, s in zip(patches["source"], screened, strict=True)
    )
    flags = Counter(flag for s in screened for flag in s.flags)
    used = {rule_id for s in screened for rule_id in s.rule_ids}
    used |= {*REACH_RULES, REACH_RULE} if screened else set()
    used |= {DEADLINE_RULE} if screened and issued_on else set()
    assumed = rules.assumptions_used(used)
    return {
        "patches": len(screened),
        **{f"class_{code}": n for code, n in sorted(classes.items())},
        **{f"{source}_{code}": n for (source, code), n in sorted(pairs.items())},
        **{f"flag_{code}": n for code, n in sorted(flags.items())},
        "rule_set": rules.digest(),
        "assumptions": len(assumed),
        "assumptions_used": "、".join(assumed),
    }
