"""`statistics/trace.gpkg`: every figure's parts, the rules in force, the digests of all inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.delivery.tables.rule_words import value_text
from pipeline.delivery.tables.table import Table
from pipeline.io.manifest import read_manifest
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import write_layers
from pipeline.rules.parameters import RuleInForce
from pipeline.schema.book_layers import CONTRIBUTIONS, INPUTS, RULES_USED
from pipeline.stages.catalogue import STAGES
from pipeline.stages.context import StageContext
from pipeline.stages.package_material import stamp_of
from pipeline.stages.statistics_books import Books
from pipeline.stages.statistics_county import as_table


def write_trace(context: StageContext, books: Books, tables: Sequence[Table]) -> int:
    """Write the file; returns the number of contributions."""
    contributions = _contributions(tables)
    rule_ids = sorted({rule for table in tables for rule in table.rule_ids})
    rules = [_rule(books.rules.at(rule_id, books.on)) for rule_id in rule_ids]
    inputs = _inputs(context.paths)
    write_layers(
        context.paths.trace,
        {
            CONTRIBUTIONS: contributions,
            RULES_USED: as_table(rules, RULES_USED),
            INPUTS: as_table(inputs, INPUTS),
        },
        books.crs.to_wkt(),
        stamp_of(context.run),
    )
    return len(contributions)


def _contributions(tables: Sequence[Table]) -> pd.DataFrame:
    """Column by column: there may be hundreds of thousands."""
    parts = [(table, part) for table in tables for part in table.contributions]
    texts: dict[str, list[Any]] = {
        "table_id": [table.id for table, _ in parts],
        "row_key": [part.row_key for _, part in parts],
        "column_key": [part.column_key for _, part in parts],
        "subject_kind": [part.subject_kind for _, part in parts],
        "subject_id": [part.subject_id for _, part in parts],
        "amount_text": [part.amount for _, part in parts],
        "amount_unit": [part.unit for _, part in parts],
        "amount_m2_text": [part.m2 or None for _, part in parts],
    }
    columns: dict[str, Any] = {"contribution_no": np.arange(1, len(parts) + 1)}
    columns |= {name: np.array(values, dtype=object) for name, values in texts.items()}
    rules = {table.id: " ".join(table.rule_ids) for table in tables}
    columns["rule_ids"] = np.array([rules[table.id] for table, _ in parts], dtype=object)
    return pd.DataFrame(columns)[list(CONTRIBUTIONS.fields)]


def _rule(rule: RuleInForce) -> dict[str, Any]:
    reference = rule.reference
    return {
        "rule_id": rule.parameter.id,
        "rule_title": rule.parameter.title_zh,
        "rule_value": value_text(rule.value),
        "since_date": rule.since.isoformat(),
        "reference_zh": " ".join(filter(None, (_cited(reference.title), reference.article))),
        "doc_no": reference.doc_no,
        "is_assumption": rule.parameter.is_assumption,
    }


def _cited(title: str) -> str:
    """The name of a document between its marks; a rule without a document says so as it is."""
    is_document = not title.startswith("示例口径") and "《" not in title
    return f"《{title}》" if is_document else title


def _inputs(paths: RunPaths) -> list[dict[str, Any]]:
    """Inputs and results of all earlier stages, by the digests in their manifests."""
    found: dict[str, str] = {}
    for stage in STAGES:
        manifest = read_manifest(paths.manifest(stage.name))
        if manifest is None or stage.name in ("statistics", "report"):
            continue
        found |= {f"{stage.name}<{name}": one.digest for name, one in manifest.head.inputs.items()}
        found |= {f"{stage.name}>{name}": one.digest for name, one in manifest.outputs.items()}
    return [{"input_name": name, "content_sha256": found[name]} for name in sorted(found)]
