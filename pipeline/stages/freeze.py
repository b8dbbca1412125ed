"""Sealing a finished quarter (封存): nothing more is taken in until it is opened with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.config.models import RunConfig
from pipeline.errors import Finding, InputError, Severity, UsageError, VerifyError
from pipeline.io.atomic import replace_text
from pipeline.io.digests import DigestCache, content_digest
from pipeline.io.register.store import open_register, read_events, verify_register, write_snapshot
from pipeline.io.reports import json_text, read_json
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer
from pipeline.rules.register.replay import replay
from pipeline.schema.events import Event, NewEvent
from pipeline.schema.register_layers import REGISTERED
from pipeline.stages.catalogue import stages_of
from pipeline.stages.context import StageContext
from pipeline.stages.runner import plan_stage
from pipeline.stages.verify import verify_run

LAST_NEEDED = "statistics"
"""The stage that must be done and up to date."""
CLOSING = ("collect", LAST_NEEDED)
"""Stages of `make close`; those before are of `make quarter`."""


def freeze(context: StageContext, by: str, reason: str) -> Event:
    """Check run and register, then seal the run with the digests of its books.

    The seal is also written beside the run: with it, a register rewritten from end to end shows.
    Raises `UsageError`, `InputError` E-REGISTER-FROZEN, or `VerifyError` with all that is wrong.
    """
    run, paths = context.run, context.paths
    who, why = _required(by, "经办人"), _required(reason, "理由")
    place = paths.register(run.county_code)
    sealed = _seal_of(read_events(place), run.run)
    if sealed is not None and paths.seal.is_file():
        raise InputError(_finding("E-REGISTER-FROZEN", "本期已经封存。", run, "不必再封存。"))
    _require_sound(run, paths)
    if sealed is None:
        event = NewEvent("frozen", run.run, run.run, _digests(paths), by=who, reason=why)
        with open_register(place, None) as register:
            (sealed,) = register.append([event], context.recorded_at)
    # Killed before this line, sealing again only writes it.
    replace_text(paths.seal, json_text(_seal_record(sealed)))
    return sealed


def reopen(context: StageContext, by: str, reason: str) -> Event:
    """Open a sealed run for corrections. Raises `UsageError` if it is not sealed."""
    run, paths = context.run, context.paths
    who, why = _required(by, "经办人"), _required(reason, "理由")
    place = paths.register(run.county_code)
    if _seal_of(read_events(place), run.run) is None:
        raise UsageError(_finding("E-USAGE", "本期没有封存。", run, "不必解封，可直接更正。"))
    with open_register(place, None) as register:
        (event,) = register.append(
            [NewEvent("reopened", run.run, run.run, by=who, reason=why)], context.recorded_at
        )
    # What was sealed stays in the register's history.
    paths.seal.unlink(missing_ok=True)
    return event


def check_seal(run: RunConfig, paths: RunPaths) -> list[Finding]:
    """Whether a sealed run and the register are still as they were sealed; empty if not sealed."""
    events = read_events(paths.register(run.county_code))
    sealed = _seal_of(events, run.run)
    findings = []
    if paths.seal.is_file():
        recorded = read_json(paths.seal)
        number = recorded["event_no"]
        if not any(event.event_no == number and event.hash == recorded["hash"] for event in events):
            what = "台账里没有封存时的那条记录：历史被改写或删减。"
            advice = "停止使用这份台账，用封存之后的备份核对并恢复。"
            findings.append(_finding("E-REGISTER-CHAIN", what, run, advice))
    if sealed is None:
        return findings
    try:
        found = _digests(paths)
    except InputError as problem:
        return [*findings, *problem.findings]
    for name, label in (("tables_sha256", "统计表"), ("books_sha256", "成果库")):
        if found[name] != sealed.payload[name]:
            what = f"{label}与封存时的不同。"
            advice = "从备份恢复封存时的成果；确需更正时先解封。"
            findings.append(_finding("E-VERIFY-CONTENT", what, run, advice))
    return findings


def _seal_of(events: Iterable[Event], run: str) -> Event | None:
    """The event that sealed a run; None if it is open."""
    seals = [event for event in events if event.run == run and event.kind in ("frozen", "reopened")]
    return seals[-1] if seals and seals[-1].kind == "frozen" else None


def _require_sound(run: RunConfig, paths: RunPaths) -> None:
    """Raise `VerifyError` unless all stages up to the books are current and all checks pass."""
    stages = stages_of(run)
    if LAST_NEEDED not in {stage.name for stage in stages}:
        what = "这个运行没有县配置，没有可封存的账表。"
        raise UsageError(_finding("E-COUNTY-MISSING", what, run, "在运行配置里写 county: <名字>。"))
    cache = DigestCache(paths.digest_cache)
    findings: list[Finding] = []
    for stage in stages:
        plan = plan_stage(stage, run, paths, cache)
        findings += [
            _finding(
                "E-VERIFY-CONTENT",
                f"阶段 {stage.name}（{stage.label_zh}）不是最新的：{reason}",
                run,
                f"运行 {_target(stage.name)} 到不再有变化，核对后再封存。",
            )
            for reason in plan.reasons
        ]
        if stage.name == LAST_NEEDED:
            break
    if not findings:
        findings += verify_run(paths, stages)
        findings += verify_register(paths.register(run.county_code))
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCK]
    if blocking or (blocking := _check_snapshot(run, paths)):
        raise VerifyError(blocking)


def _target(stage: str) -> str:
    return "make close" if stage in CLOSING else "make quarter，再运行 make close"


def _check_snapshot(run: RunConfig, paths: RunPaths) -> list[Finding]:
    """Whether the books were made from the register as it stands, not from another copy of it."""
    state = replay(read_events(paths.register(run.county_code)))
    crs = read_layer(paths.snapshot, REGISTERED).crs
    with TemporaryDirectory() as folder:
        fresh = Path(folder) / paths.snapshot.name
        write_snapshot(
            fresh, state, state.runs_until(run.run), None if crs is None else crs.to_wkt()
        )
        if content_digest(fresh) == content_digest(paths.snapshot):
            return []
    what = "账表所依据的台账与现在的台账不同：台账可能换成了旧的备份，或别处的台账。"
    advice = "核对台账文件；确认无误后删去本期的 collect 文件夹，再运行 make close。"
    return [_finding("E-REGISTER-STATE", what, run, advice)]


def _digests(paths: RunPaths) -> dict[str, str]:
    return {
        "tables_sha256": content_digest(paths.tables),
        "books_sha256": content_digest(paths.books),
    }


def _seal_record(event: Event) -> dict[str, Any]:
    return {
        "event_no": event.event_no,
        "hash": event.hash,
        "recorded_at": event.recorded_at,
        "run": event.run,
        "by": event.by,
        "reason": event.reason,
        **event.payload,
    }


def _required(text: str, label: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise UsageError(
            Finding("E-USAGE", f"必须写明{label}。", advice=f"补上{label}后重新运行。")
        )
    return stripped


def _finding(code: str, what: str, run: RunConfig, advice: str) -> Finding:
    return Finding(code, what, where=f"运行 {run.run}", advice=advice)
