"""What `collect` tells people, as rows and counts: receipts, missing answers, rivals, summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.delivery.sheets import Value
from pipeline.errors import CODES, Finding, Severity
from pipeline.rules.returns.conflicts import Rival
from pipeline.rules.returns.records import Accepted, Outcome, Task
from pipeline.schema.events import EVENT_LABELS, EventKind
from pipeline.schema.returned import ReturnedFile
from pipeline.stages.collect_reading import is_bureau
from pipeline.stages.context import Number
from pipeline.units import format_mu100

BUREAU_ZH = "县局"
ACCEPTED_ZH, REJECTED_ZH = "接收", "退回"
RECEIPTS = "collect/receipts.csv"
"""Named without a folder of this machine: it goes into the manifest."""


def receipt_rows(outcomes: Iterable[Outcome], task: Task) -> list[list[str]]:
    """One row per returned record: `io.returned.receipts.RECEIPT_HEADER` but the first."""
    kinds = task.codes["record_kind"].labels
    rows = []
    for one in outcomes:
        received = one.received
        code, name = sender_of(one, task)
        problems = () if isinstance(one, Accepted) else one.problems
        rows.append(
            [
                code,
                name,
                received.source_file,
                received.sha256,
                kinds[received.record_kind],
                "" if received.row_no is None else str(received.row_no),
                one.shown_subject if isinstance(one, Accepted) else received.subject,
                ACCEPTED_ZH if isinstance(one, Accepted) else REJECTED_ZH,
                problems[0].code if problems else "",
                *(
                    _joined(getattr(problem, part) for problem in problems)
                    for part in ("what", "value", "allowed", "advice")
                ),
                _joined(_said(notice) for notice in one.notices),
            ]
        )
    return rows


def _joined(texts: Iterable[str]) -> str:
    """Different texts once each, on one line."""
    lines = (" ".join(text.split()) for text in texts)
    return "；".join(dict.fromkeys(line for line in lines if line)).replace("。；", "；")


def _said(notice: Finding) -> str:
    is_said = not notice.value or notice.value in notice.what
    return f"{notice.code} {notice.what}{'' if is_said else f'（{notice.value}）'}"


def sender_of(one: Outcome, task: Task) -> tuple[str, str]:
    """Code and name of who returned a record: a township, the bureau, or nobody known."""
    code = one.received.township_code
    if code is not None:
        return code, task.townships.get(code, "")
    if is_bureau(one.received.source_file):
        return task.county_code, BUREAU_ZH
    return "", ""


def summarise(
    outcomes: Sequence[Outcome], files: Iterable[ReturnedFile], task: Task
) -> dict[str, Any]:
    """Counts of received, accepted and rejected records: in all, by kind, township, file, code."""
    by_file = _counted(outcomes, lambda one: one.received.source_file)
    return {
        **_count(outcomes),
        "by_kind": _counted(outcomes, lambda one: one.received.record_kind),
        "by_township": _counted(outcomes, lambda one: sender_of(one, task)[0]),
        "by_file": [
            {
                "file": file.name,
                "sha256": file.sha256,
                **by_file.get(file.name, _count(())),
            }
            for file in files
        ],
        "by_code": dict(sorted(_codes(outcomes).items())),
    }


def _counted(outcomes: Iterable[Outcome], key: Any) -> dict[str, dict[str, int]]:
    groups: dict[str, list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault(key(one), []).append(one)
    return {name: _count(group) for name, group in sorted(groups.items())}


def _count(outcomes: Sequence[Outcome]) -> dict[str, int]:
    accepted = sum(isinstance(one, Accepted) for one in outcomes)
    return {
        "received": len(outcomes),
        "accepted": accepted,
        "rejected": len(outcomes) - accepted,
    }


def _codes(outcomes: Iterable[Outcome]) -> Counter[str]:
    return Counter(one.problems[0].code for one in outcomes if not isinstance(one, Accepted))


def missing_rows(patches: Iterable[Mapping[str, Any]], task: Task) -> list[list[str]]:
    """Patches sent out or issued that nobody has answered; `patches` are rows of the register."""
    labels = {name: task.codes[table].labels for name, table in _LABELLED.items()}
    waiting = [
        row
        for row in patches
        if not row["is_withdrawn"]
        and (row["is_sent"] or row["source_group"] == "issued")
        and row["filled_date"] is None
    ]
    waiting.sort(key=lambda row: (row["township_code"] or "", row["patch_id"]))
    return [
        [
            row["township_code"] or "",
            row["township_name"] or "未落入乡镇",
            row["patch_id"],
            row["issued_id"] or "",
            *(labels[name].get(row[name], row[name]) for name in _LABELLED),
            format_mu100(row["area_mu100"]),
            row["due_date"] or "",
            _overdue(row["due_date"], task.closes_on),
        ]
        for row in waiting
    ]


_LABELLED = {"source": "patch_source", "suspected_class": "suspected_class"}


def _overdue(due: str | None, closes_on: str | None) -> str:
    if due is None or closes_on is None:
        return "不判断"
    return "已逾期" if due < closes_on else "未到期"


def decision_rows(rivals: Iterable[Rival], task: Task) -> list[dict[str, Value]]:
    """The rows of the form of decisions; what is decided already is filled in."""
    kinds = task.codes["record_kind"].labels
    rows = []
    for rival in rivals:
        patch = task.patches.get(rival.subject, {})
        decided = {} if rival.decision is None else rival.decision.event.payload
        rows.append(
            {
                "record_kind": kinds[rival.record_kind],
                "subject": rival.subject,
                "township_name": patch.get("township_name"),
                "source_file": rival.received.source_file,
                "row_no": rival.received.row_no,
                "content": rival.content,
                "is_adopted": "是" if rival.is_adopted else None,
                "decided_by": decided.get("decided_by") if rival.is_adopted else None,
                "decided_date": decided.get("decided_date") if rival.is_adopted else None,
                "decision_reason": decided.get("reason") if rival.is_adopted else None,
            }
        )
    return rows


def counts_of(
    summary: Mapping[str, Any], missing: int, rivals: Sequence[Rival]
) -> dict[str, Number]:
    """Counts for the manifest."""
    open_conflicts = {(r.record_kind, r.subject) for r in rivals if r.decision is None}
    return {
        "received": summary["received"],
        "accepted": summary["accepted"],
        "rejected": summary["rejected"],
        "files": len(summary["by_file"]),
        **{f"accepted_{kind}": n["accepted"] for kind, n in summary["by_kind"].items()},
        "open_conflicts": len(open_conflicts),
        "missing": missing,
    }


def notices_of(
    outcomes: Sequence[Outcome], missing: int, files: int, withdrawn: Sequence[str]
) -> tuple[Finding, ...]:
    """What people should know when the stage is done."""
    notices = []
    if not files:
        notices.append(
            _notice(
                "N-RETURN-NONE",
                "没有交回任何文件，台账里只有图斑。",
                "",
                "把交回的核查包放进 data/returns/<运行编号>/，再重新回收。",
            )
        )
    if codes := sorted(_codes(outcomes).items()):
        reasons = "；".join(f"{CODES[code]} {n} 条" for code, n in codes)
        what = f"退回填报 {sum(n for _, n in codes)} 条。"
        advice = f"逐条见 {RECEIPTS}，退给填报人改正后再交，再次回收即可。"
        notices.append(_notice("N-RETURN-REJECTED", what, reasons, advice))
    if missing and files:
        notices.append(
            _notice(
                "N-RETURN-MISSING",
                f"还有 {missing} 个图斑没有交回。",
                "",
                "照清单催办；收到后放进 data/returns/<运行编号>/，再次回收即可。",
                "collect/missing.csv",
            )
        )
    if withdrawn:
        notices.append(
            _notice(
                "N-RETURN-DOUBT",
                f"{len(withdrawn)} 个已有核查、判定或案件记录的图斑这一次没有了，已撤回，"
                "记录仍在台账里。",
                "、".join(withdrawn[:20]),
                "核对这些图斑是否并入了别的图斑，需要的重新填报。",
            )
        )
    return tuple(notices)


def unreturned_notices(found: Mapping[EventKind, Sequence[str]], task: Task) -> tuple[Finding, ...]:
    """What still counts though no file that came back states it now."""
    if not found:
        return ()
    listed = "；".join(
        f"{EVENT_LABELS[kind]} {len(subjects)} 条"
        f"（{'、'.join(_in_words(kind, subject, task) for subject in subjects[:5])}"
        f"{'……' if len(subjects) > 5 else ''}）"
        for kind, subjects in found.items()
    )
    return (
        _notice(
            "N-RETURN-DOUBT",
            f"台账里有 {sum(map(len, found.values()))} 条以前接收的记录，"
            "这一次的材料里没有，或者被退回了；统计仍按它们计。",
            listed,
            "材料只是移走的不用管。案号写错改过的，在 cases.xlsx 里另留一行只写原来的案号，"
            "即撤销；文号、年度、单位改过的，在 county_inputs.xlsx 里照原来的写一行，数值填 0；"
            "填报互相矛盾的，在 decisions.xlsx 里裁决。",
        ),
    )


def _in_words(kind: EventKind, subject: str, task: Task) -> str:
    if kind != "county_input_recorded":
        return subject
    item, unit, *rest = subject.split("|", maxsplit=3)
    label = task.codes["county_input"].labels.get(item, item)
    names = {task.county_code: task.county_name, **task.townships}
    return " ".join(word for word in (label, names.get(unit, unit), *rest) if word)


def _notice(code: str, what: str, value: str, advice: str, where: str = RECEIPTS) -> Finding:
    return Finding(code, what, where, value, "", advice, Severity.NOTICE)
