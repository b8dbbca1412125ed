"""Sealing a run: what must hold before, what it records, what shows afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Finding, InputError, PipelineError, UsageError, VerifyError
from pipeline.io.digests import file_sha256
from pipeline.io.register.store import read_events, verify_register, write_snapshot
from pipeline.io.runs import RunPaths
from pipeline.rules.register.replay import replay
from pipeline.stages import freeze as freeze_stage
from pipeline.stages.catalogue import Stage
from pipeline.stages.freeze import check_seal, freeze, reopen
from pipeline.stages.runner import Plan
from tests.package_factory import county_run
from tests.register_factory import (
    CRS_WKT,
    RECORDED_AT,
    collected,
    finding,
    registered,
    write_register,
)


@dataclass
class Case:
    """A run whose stages are said to stand as a test wants."""

    paths: RunPaths
    run: Any
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def context(self) -> Any:
        return Context(self.run, self.paths)

    def take_snapshot(self) -> None:
        """As `collect` leaves it."""
        state = replay(read_events(self.register))
        write_snapshot(self.paths.snapshot, state, state.runs_until(self.run.run), CRS_WKT)

    @property
    def register(self) -> Path:
        return self.paths.register(self.run.county_code)


@dataclass
class Context:
    run: Any
    paths: RunPaths
    recorded_at: str = RECORDED_AT


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    run = county_run().model_copy(update={"county": "demo"})
    found = Case(RunPaths.for_run(tmp_path, run.run), run)
    found.paths.tables.parent.mkdir(parents=True)
    found.paths.tables.write_text("{}")
    write_snapshot(found.paths.books, replay([]), (), CRS_WKT)
    write_register(found.register, [registered(1, run.run), collected(run.run)])
    found.take_snapshot()

    def plan(stage: Stage, *_: object) -> Plan:
        return Plan(stage, found.reasons.get(stage.name, ()))

    monkeypatch.setattr(freeze_stage, "plan_stage", plan)
    monkeypatch.setattr(freeze_stage, "verify_run", lambda *_: found.findings)
    return found


def refused(action: Callable[[], object]) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        action()
    return [finding.code for finding in caught.value.findings]


def test_a_seal_records_the_books_and_closes_the_run(case: Case) -> None:
    event = freeze(case.context, " 李四 ", "二季度结束")
    assert (event.kind, event.by, event.reason) == ("frozen", "李四", "二季度结束")
    assert event.payload["tables_sha256"] == file_sha256(case.paths.tables)
    assert event.hash in case.paths.seal.read_text("utf-8")
    assert check_seal(case.run, case.paths) == []
    assert verify_register(case.register) == []
    with pytest.raises(InputError):
        write_register(case.register, [finding(1, case.run.run)])
    assert refused(lambda: freeze(case.context, "李四", "再来")) == ["E-REGISTER-FROZEN"]


def test_reopening_lets_corrections_in_and_stays_in_the_history(case: Case) -> None:
    assert refused(lambda: reopen(case.context, "李四", "更正")) == ["E-USAGE"]
    freeze(case.context, "李四", "二季度结束")
    reopen(case.context, "王五", "更正")
    assert not case.paths.seal.exists()
    assert check_seal(case.run, case.paths) == []
    write_register(case.register, [finding(1, case.run.run)])
    # The books were not made from this: what was collected since is not in them.
    assert refused(lambda: freeze(case.context, "李四", "更正之后")) == ["E-REGISTER-STATE"]
    case.take_snapshot()
    freeze(case.context, "李四", "更正之后")
    kinds = [event.kind for event in read_events(case.register)]
    assert kinds[2:] == ["frozen", "reopened", "finding_accepted", "frozen"]


@pytest.mark.parametrize(("by", "reason"), [("", "理由"), ("李四", " "), ("\u3000", "理由")])
def test_who_and_why_are_required(case: Case, by: str, reason: str) -> None:
    for action in (freeze, reopen):
        with pytest.raises(UsageError):
            action(case.context, by, reason)
    assert len(read_events(case.register)) == 2


@pytest.mark.parametrize(
    ("stage", "target"),
    [
        ("intake", "运行 make quarter，"),
        ("package", "运行 make quarter，"),
        ("collect", "运行 make close "),
        ("statistics", "运行 make close "),
    ],
)
def test_stages_up_to_the_books_must_be_current(case: Case, stage: str, target: str) -> None:
    case.reasons[stage] = ("输入改变。",)
    with pytest.raises(VerifyError) as caught:
        freeze(case.context, "李四", "结束")
    (found,) = caught.value.findings
    assert found.code == "E-VERIFY-CONTENT"
    assert found.advice.startswith(target)
    assert not case.paths.seal.exists()
    assert len(read_events(case.register)) == 2


def test_the_brief_may_be_late(case: Case) -> None:
    case.reasons["report"] = ("尚未完成。",)
    assert freeze(case.context, "李四", "结束").kind == "frozen"


def test_a_run_or_register_that_was_touched_is_not_sealed(case: Case) -> None:
    case.findings.append(Finding("E-VERIFY-SUM", "图斑面积合计与小结不一致。"))
    with closing(sqlite3.connect(case.register)) as connection, connection:
        connection.execute("UPDATE patches SET area_m2 = 1")
    with pytest.raises(VerifyError) as caught:
        freeze(case.context, "李四", "结束")
    assert [found.code for found in caught.value.findings] == ["E-VERIFY-SUM", "E-REGISTER-STATE"]


def test_a_register_replaced_by_an_older_copy_is_not_sealed(case: Case) -> None:
    older = case.register.read_bytes()
    write_register(case.register, [finding(1, case.run.run), collected(case.run.run)])
    case.take_snapshot()
    case.register.write_bytes(older)
    assert verify_register(case.register) == []
    assert refused(lambda: freeze(case.context, "李四", "结束")) == ["E-REGISTER-STATE"]
    assert not case.paths.seal.exists()


def test_killed_between_register_and_seal_sealing_again_completes_it(case: Case) -> None:
    event = freeze(case.context, "李四", "结束")
    text = case.paths.seal.read_text("utf-8")
    case.paths.seal.unlink()
    assert freeze(case.context, "赵六", "重来") == event
    assert case.paths.seal.read_text("utf-8") == text
    assert len(read_events(case.register)) == 3


def test_a_run_without_a_county_has_nothing_to_seal(case: Case) -> None:
    case.run = county_run()
    assert refused(lambda: freeze(case.context, "李四", "结束")) == ["E-COUNTY-MISSING"]


def test_books_changed_after_the_seal_show(case: Case) -> None:
    freeze(case.context, "李四", "结束")
    case.paths.tables.write_text('{"T01": 1}')
    assert [found.what for found in check_seal(case.run, case.paths)] == ["统计表与封存时的不同。"]
    case.paths.books.unlink()
    assert [found.code for found in check_seal(case.run, case.paths)] == ["E-FILE-MISSING"]


def test_a_register_rewritten_from_end_to_end_shows_by_the_seal(case: Case) -> None:
    freeze(case.context, "李四", "结束")
    case.register.unlink()
    write_register(
        case.register, [registered(1, case.run.run, area_m2=1.0), collected(case.run.run)]
    )
    assert verify_register(case.register) == []
    assert [found.code for found in check_seal(case.run, case.paths)] == ["E-REGISTER-CHAIN"]
