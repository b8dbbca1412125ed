"""Postings of the quota ledger (指标账) that the county's figures of a run ask for."""

from __future__ import annotations

import datetime
from typing import Any

from pipeline.config.load import RULES_DIR, load_rules
from pipeline.io.register.store import Register
from pipeline.rules.books.balances import deducted_by_unit
from pipeline.rules.books.ledger import inputs_to_post, plan_postings
from pipeline.rules.books.postings import posted
from pipeline.rules.books.quota import deduction_weights, linkage, patch_linkages
from pipeline.rules.books.quota_facts import unit_facts
from pipeline.rules.books.quota_rules import quota_rules
from pipeline.rules.books.recognised import count_areas
from pipeline.rules.books.rectification import patch_outcomes
from pipeline.rules.register.replay import RegisterState
from pipeline.schema.events import NewEvent
from pipeline.stages.collect_task import Material
from pipeline.stages.context import StageContext


def posting_events(context: StageContext, material: Material, register: Register) -> list[NewEvent]:
    """What has to be posted so that the ledger says what the county stated; empty if it does.

    A deduction with its document is shared out over the townships as the run's signed judgements
    work it out (测算); when those change, a correction takes the old shares back.
    """
    run, task = context.run.run, material.task
    events = register.events()
    state = register.state()
    if run not in state.runs:
        return []
    inputs = inputs_to_post(state.county_inputs.values(), run, list(state.runs))
    if not inputs:
        return []
    weights = {task.check_year + 1: _weights(context, material, state)} if task.check_year else {}
    postings = plan_postings(inputs, posted(events), weights, task.county_code)
    return [NewEvent("posting_made", run, one.key, one.payload()) for one in postings]


def _weights(context: StageContext, material: Material, state: RegisterState) -> dict[str, int]:
    """Township → hundredths of a 亩 of the deduction as worked out for this run."""
    run, task = context.run.run, material.task
    rows = [
        {**row, **count_areas(row)}
        for (name, _), row in sorted(state.patches.items())
        if name == run and not row["is_withdrawn"]
    ]
    cases = [row for (name, _), row in sorted(state.cases.items()) if name == run]
    links = [
        {"case_no": case["case_no"], "patch_id": patch}
        for case in cases
        for patch in case["patch_ids"]
    ]
    ids = [str(row["patch_id"]) for row in rows]
    outcomes = patch_outcomes(ids, cases, links, context.run.closes_on)
    rules = quota_rules(load_rules(RULES_DIR), _rules_on(context, material))
    stated = _stated(state, run)
    codes = sorted(task.townships)
    assert task.check_year is not None  # asked for only with a year
    deducted = deducted_by_unit(state.ledger, task.check_year, run)
    facts = unit_facts(codes, stated, deducted, task.check_year)
    return deduction_weights(linkage(codes, patch_linkages(rows, outcomes, rules), facts, rules))


def _stated(state: RegisterState, run: str) -> list[dict[str, Any]]:
    """County inputs that this run may see; of one that was stated again, the latest."""
    latest: dict[str, dict[str, Any]] = {}
    for name in state.runs_until(run):
        for (of_run, subject), row in sorted(state.county_inputs.items()):
            if of_run == name:
                latest[subject] = row
    return [latest[subject] for subject in sorted(latest)]


def _rules_on(context: StageContext, material: Material) -> datetime.date:
    """The end of the period: its rules count."""
    return context.run.after.date or datetime.date(material.task.check_year or 1, 12, 31)
