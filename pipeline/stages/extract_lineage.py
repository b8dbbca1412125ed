"""Part of `extract`: the rows that say which land is whose, for the register and the screening."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.patches.identity import VANISHED, Identity, IdentityParams, Link
from pipeline.rules.register.lineage import OPEN, Told
from pipeline.schema.field import Dtype
from pipeline.schema.layer import LayerSpec

Record = dict[str, Any]

_TYPES: Mapping[Dtype, Any] = {
    "text": object,
    "date": object,
    "json": object,
    "integer": "Int64",
    "real": np.float64,
    "boolean": "boolean",
}


def row_table(rows: Sequence[Record], spec: LayerSpec) -> pd.DataFrame:
    """Rows as a table of a layer without geometry."""
    return pd.DataFrame(
        {
            field.name: pd.Series([row[field.name] for row in rows], dtype=_TYPES[field.dtype])
            for field in spec.field_specs
        }
    )


def identity_rows(
    run: str,
    issued_ids: Sequence[Any],
    ids: Mapping[int, str],
    compared: tuple[Sequence[Told], Identity, Mapping[int, Sequence[Link]]],
    params: IdentityParams,
) -> list[Record]:
    """`IDENTITY` rows of the patches `ids`, by position, in their order.

    `compared` are the earlier patches, what was found, and every patch's links, the first first.
    """
    told, found, links = compared
    known = {str(one.row["lineage_id"]) for one in told}
    beside: dict[int, list[Told]] = defaultdict(list)
    for link in found.adjoining:
        if link.now not in links and told[link.earlier].state == OPEN:
            beside[link.now].append(told[link.earlier])
    rows = []
    for now, patch_id in ids.items():
        mine = links.get(now, ())
        same = [told[link.earlier] for link in mine]
        grown_m2 = _real(found.grown_m2[now])
        row = _new(run, patch_id, issued_ids[now], known) if not same else _kept(patch_id, same[0])
        rows.append(
            {
                "patch_id": patch_id,
                **row,
                "lineage_relation": mine[0].relation if mine else None,
                "is_grown": grown_m2 is not None and grown_m2 >= params.min_growth_m2,
                "grown_m2": grown_m2,
                "earlier_patches": [_named(one) for one in same],
                "adjoining_patches": [_named(one) for one in beside[now]],
                **_standing(same or beside[now]),
            }
        )
    return rows


def _new(run: str, patch_id: str, issued_id: Any, known: Collection[str]) -> Record:
    """A patch that begins a lineage: named by the issuer, if that name stands for no other land."""
    if pd.isna(issued_id):
        lineage_id = f"{run}:{patch_id}"
    else:
        lineage_id = f"{run}:{issued_id}" if issued_id in known else str(issued_id)
    return {
        "lineage_id": lineage_id,
        "parent_id": None,
        "is_continuing": False,
        "earlier_state": None,
    }


def _kept(patch_id: str, first: Told) -> Record:
    """A patch of land that was told before."""
    return {
        "lineage_id": first.row["lineage_id"],
        "parent_id": None if first.key[1] == patch_id else first.key[1],
        "is_continuing": first.state == OPEN,
        "earlier_state": first.state,
    }


def _standing(earlier: Sequence[Told]) -> Record:
    """The latest notice to stop, and whether works may not go on before an approval."""
    noticed = [one for one in earlier if one.has_stop_notice]
    last = max(noticed, key=lambda one: one.stop_notice_date or "", default=None)
    return {
        "has_stop_notice": last is not None,
        "stop_notice_no": None if last is None else last.stop_notice_no,
        "stop_notice_date": None if last is None else last.stop_notice_date,
        "is_regularising": any(one.is_regularising for one in earlier),
    }


def _named(one: Told) -> str:
    return "/".join(one.key)


def _real(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def lineage_rows(
    run: str,
    identity: Mapping[int, Record],
    told: Sequence[Told],
    found: Identity,
    gone: Iterable[Told],
) -> list[Record]:
    """`LINEAGE` rows: links of the patches that stay, open neighbours, and what vanished.

    `identity` are the `IDENTITY` rows of the patches that stay, by position.
    """
    neighbours = [link for link in found.adjoining if told[link.earlier].state == OPEN]
    rows = [
        {
            "run": run,
            "patch_id": identity[link.now]["patch_id"],
            **_earlier(told[link.earlier]),
            "lineage_id": identity[link.now]["lineage_id"],
            "lineage_relation": link.relation,
            "overlap_m2": link.overlap_m2,
            "grown_m2": _real(found.grown_m2[link.now]),
        }
        for link in (*found.links, *neighbours)
        if link.now in identity
    ]
    return rows + [
        {
            "run": run,
            "patch_id": one.key[1],
            **_earlier(one),
            "lineage_id": one.row["lineage_id"],
            "lineage_relation": VANISHED,
            "overlap_m2": None,
            "grown_m2": None,
        }
        for one in gone
    ]


def _earlier(one: Told) -> Record:
    return {"earlier_run": one.key[0], "earlier_patch_id": one.key[1]}
