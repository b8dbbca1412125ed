"""Stage 8, `collect` 回收核查: what townships and the bureau returned → receipts and the register.

Receipts are a function of the returns folder and the rules alone. The register is only added to,
one transaction per file, and only by what differs from what it says already: killed at any moment,
a rerun adds the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pipeline.delivery.closing_forms import decisions, form_titles
from pipeline.io.receipts import write_missing, write_receipts, write_summary
from pipeline.io.register import Register, open_register, write_snapshot
from pipeline.io.returned_archives import open_returns
from pipeline.io.workbooks import write_workbook
from pipeline.rules.replay import RegisterState
from pipeline.rules.return_events import missing_events, patch_events, said_of
from pipeline.rules.return_records import Accepted
from pipeline.rules.returns import Verdict
from pipeline.schema.events import NewEvent
from pipeline.stages.collect_postings import posting_events
from pipeline.stages.collect_reading import Gathered, gather
from pipeline.stages.collect_receipts import (
    counts_of,
    decision_rows,
    missing_rows,
    notices_of,
    receipt_rows,
    summarise,
)
from pipeline.stages.collect_task import Material, load_material
from pipeline.stages.collect_verdict import judge
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.package_material import heading


def run(context: StageContext) -> StageReport:
    """Read all returns, write the register, then what people read."""
    material = load_material(context)
    paths, run_name = context.paths, context.run.run
    with open_returns(paths.returns) as files:
        gathered = gather(files, material, form_titles())
        verdict = judge(context, material, gathered)
    crs_wkt = material.patches.crs.to_wkt()
    with open_register(paths.register(context.run.county_code), crs_wkt) as register:
        withdrawn = _register(context, material, verdict, register)
        state = register.state()
    write_snapshot(paths.snapshot, state, state.runs_until(run_name), crs_wkt)
    return _report(context, (material, gathered, verdict), state, withdrawn)


def _register(
    context: StageContext, material: Material, verdict: Verdict, register: Register
) -> list[str]:
    """Bring the register up to date; the withdrawn patches of which people have said something."""
    name, at, task = context.run.run, context.recorded_at, material.task
    events = register.events(name)
    events += register.append(patch_events(name, task.patches, events, task.after_date), at)
    for wanted in _batches(verdict.accepted):
        events += register.append(missing_events(wanted, events), at)
    register.append(posting_events(context, material, register), at)
    state = register.state()
    # A run without patches and returns is in the register only once it says so here.
    if name not in state.runs or state.runs[name].needs_collected:
        counts = {
            "received": len(verdict.outcomes),
            "accepted": len(verdict.accepted),
            "rejected": len(verdict.outcomes) - len(verdict.accepted),
        }
        register.append([NewEvent("collected", name, name, counts)], at)
    gone = [
        patch for (run, patch), row in state.patches.items() if run == name and row["is_withdrawn"]
    ]
    return said_of(gone, register.events(name))


def _batches(accepted: Iterable[Accepted]) -> list[list[NewEvent]]:
    """What is written together: each form, then the photos of each sender, then all surveys."""
    batches: dict[tuple[int, str], list[NewEvent]] = defaultdict(list)
    for one in accepted:
        received = one.received
        match received.record_kind:
            case "photo":
                key = (1, received.township_code or "")
            case "survey":
                key = (2, "")
            case _:
                key = (0, received.source_file)
        batches[key].append(one.event)
    return [batches[key] for key in sorted(batches)]


def _report(
    context: StageContext,
    collected: tuple[Material, Gathered, Verdict],
    state: RegisterState,
    withdrawn: list[str],
) -> StageReport:
    material, gathered, verdict = collected
    paths, task = context.paths, material.task
    write_receipts(paths.receipts, receipt_rows(verdict.outcomes, task))
    missing = missing_rows(
        (row for (run, _), row in state.patches.items() if run == task.run), task
    )
    write_missing(paths.missing_returns, missing)
    lines = heading(context.run, "", context.run.run)
    rows = decision_rows(verdict.rivals, task)
    write_workbook(paths.decisions_form, decisions(rows, lines))
    summary = summarise(verdict.outcomes, gathered.files, task)
    write_summary(paths.collect_summary, summary)
    return StageReport(
        counts_of(summary, len(missing), verdict.rivals),
        notices_of(verdict.outcomes, len(missing), len(gathered.files), withdrawn),
    )
