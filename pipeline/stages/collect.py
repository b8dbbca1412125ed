"""Stage 8, `collect` 回收核查: what townships and the bureau returned → receipts and the register.

Receipts are a function of the returns folder and the rules alone. The register is only added to,
one transaction per file, and only by what differs from what it says already: killed at any moment,
a rerun adds the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pipeline.delivery.closing_forms import decisions, form_titles
from pipeline.errors import Finding, InputError
from pipeline.io.register.store import Register, open_register, require_open, write_snapshot
from pipeline.io.returned.archives import open_returns
from pipeline.io.returned.receipts import write_missing, write_receipts, write_summary
from pipeline.io.workbooks import write_workbook
from pipeline.rules.register.replay import RegisterState
from pipeline.rules.returns.events import (
    lineage_events,
    missing_events,
    patch_events,
    renumbered,
    said_of,
    standing_records,
    unreturned,
)
from pipeline.rules.returns.judge import Verdict
from pipeline.rules.returns.records import Accepted, Task
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
    unreturned_notices,
)
from pipeline.stages.collect_task import Material, load_material
from pipeline.stages.collect_verdict import judge
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.identity import read_lineage
from pipeline.stages.package_material import heading


def run(context: StageContext) -> StageReport:
    """Read all returns, write the register, then what people read.

    Raises `InputError`, E-REGISTER-FROZEN if the run is sealed.
    """
    paths, run_name = context.paths, context.run.run
    require_open(paths.register(context.run.county_code), run_name)
    material = load_material(context)
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
    _require_same_land(material, register)
    lineage = read_lineage(context.paths.extract_patches)
    news = patch_events(name, task.patches, events, task.after_date)
    news += lineage_events(name, task.patches, lineage, events)
    events += register.append(news, at)
    for wanted in _batches(verdict.accepted):
        events += register.append(missing_events(wanted, events), at)
    register.append(posting_events(context, material, register), at)
    state = register.state()
    # Also a run without patches and returns, which is in the register only once it says so here.
    if register.needs_collected(name):
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


def _require_same_land(material: Material, register: Register) -> None:
    """Refuse patches that were numbered anew: what was said of one would count for another."""
    task, state = material.task, register.state()
    standing = {patch: row for (run, patch), row in state.patches.items() if run == task.run}
    said = said_of(list(standing), register.events(task.run))
    if other := renumbered(task.patches, standing, said):
        raise InputError(
            Finding(
                "E-REGISTER-STATE",
                f"有 {len(other)} 个图斑的编号现在指另一块地，而台账里已有它们的核查、判定或案件。",
                f"运行 {task.run}",
                "、".join(other[:20]),
                "已有人填报的图斑，编号和地块不变",
                "多半是收到填报以后改了影像、图层或提取设置：改回原来的，重新运行 make quarter；"
                "确要改的，另立一个运行编号重新下发。台账没有改动。",
            )
        )


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
        (
            *notices_of(verdict.outcomes, len(missing), len(gathered.files), withdrawn),
            *_unreturned(state, verdict, task),
        ),
    )


def _unreturned(state: RegisterState, verdict: Verdict, task: Task) -> tuple[Finding, ...]:
    """Nobody is to be surprised by what was accepted once and still counts."""
    accepted = (one.event for one in verdict.accepted)
    return unreturned_notices(unreturned(accepted, standing_records(state, task.run)), task)
