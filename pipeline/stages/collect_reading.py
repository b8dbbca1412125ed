"""Returned files → records: which form it is, which township sent it, what each row says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import Finding
from pipeline.io.returned.layers import read_verify_gpkg
from pipeline.io.returned.photos import read_photo
from pipeline.io.returned.surveys import read_survey
from pipeline.io.returned.tables import read_form
from pipeline.rules.returns.findings import check_photo, photo_subject
from pipeline.rules.returns.records import (
    Outcome,
    Received,
    RecordKind,
    Task,
    doubt,
    reject,
)
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.returned import (
    FORM_KINDS,
    SURVEY_KINDS,
    FormRow,
    FormTable,
    ReturnedFile,
    SurveyFeature,
)
from pipeline.stages.collect_outlines import altered_outlines
from pipeline.stages.collect_task import Material, split_package_id, township_of_name

BUREAU = "bureau"
"""Folder of what the bureau fills in itself; what it signs counts only from there."""
_SURVEY_FOLDER = re.compile(r"survey.*|.*实测.*|.*界址.*", re.IGNORECASE)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_ALWAYS_SURVEY = frozenset({"shp", "geojson", "survey_table"})

_MARKS: tuple[tuple[RecordKind, tuple[str, ...]], ...] = (
    ("decision", ("is_adopted", "source_file")),
    ("judgement", ("judgement",)),
    ("case", ("case_no",)),
    ("county_input", ("item", "value_mu")),
)
"""Columns that tell the bureau's forms."""


@dataclass
class Gathered:
    """What all files together hold, before it is checked."""

    received: list[Received] = field(default_factory=list)
    """Rows of forms."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Photos, and files rejected as a whole."""
    surveys: list[tuple[ReturnedFile, SurveyFeature]] = field(default_factory=list)
    township_of: dict[str, str | None] = field(default_factory=dict)
    """File with surveys → township that sent it; None: the bureau."""
    files: list[ReturnedFile] = field(default_factory=list)
    """Every file that was read, or refused."""


def gather(
    files: Iterable[ReturnedFile], material: Material, titles: Mapping[str, str]
) -> Gathered:
    """Read every file; nothing that can not be read is left without an outcome."""
    gathered = Gathered()
    for file in sorted(files, key=lambda one: one.name):
        if file.kind == "sidecar" and file.problem is None:
            continue
        gathered.files.append(file)
        problem = file.problem or _read(file, material, titles, gathered)
        if problem is not None:
            code = _sender(file.name, material.task)
            gathered.outcomes.append(refuse_file(file, code, problem))
    return gathered


def refuse_file(file: ReturnedFile, township: str | None, problem: Finding) -> Outcome:
    """The one outcome of a file that is rejected as a whole."""
    return reject(Received("file", file.name, file.sha256, None, township, file.name), problem)


def is_bureau(name: str) -> bool:
    """Whether a file lies in the bureau's folder."""
    return name.split("/", maxsplit=1)[0].casefold() == BUREAU


def _sender(name: str, task: Task) -> str | None:
    return None if is_bureau(name) else township_of_name(name, task.townships)


def _read(
    file: ReturnedFile, material: Material, titles: Mapping[str, str], gathered: Gathered
) -> Finding | None:
    """Read one file into `gathered`; the reason if it is rejected as a whole."""
    folders = re.split(r"!?/", file.name)[:-1]
    is_surveyed = any(_SURVEY_FOLDER.fullmatch(name.removesuffix(".zip")) for name in folders)
    if file.kind in _ALWAYS_SURVEY or (is_surveyed and file.kind in SURVEY_KINDS):
        return _read_survey(file, material, gathered)
    if file.kind == "photo":
        _read_photo(file, material, gathered)
        return None
    if file.kind not in FORM_KINDS:
        return _unknown(file, "", "核查表、照片或实测界址", "核对文件；不是交回内容的请移走。")
    table = read_verify_gpkg(file) if file.kind == "gpkg" else read_form(file, titles)
    if table.problem is not None:
        return table.problem
    kind = _kind_of(table)
    if kind is None:
        columns = "、".join((*table.columns, *table.unknown_headers)[:12])
        allowed = "核查台账、判定表、案件台账、县填报数据或裁决表"
        advice = "用下发的原表填写；实测界址放进名为 survey 或“实测界址”的文件夹。"
        return _unknown(file, columns, allowed, advice)
    sender = _form_sender(file, table, kind, material.task)
    if isinstance(sender, Finding):
        return sender
    _read_rows(file, table, sender, kind, (material, gathered))
    return None


def _kind_of(table: FormTable) -> RecordKind | None:
    columns = set(table.columns)
    for kind, marks in _MARKS:
        if columns.issuperset(marks):
            return kind
    has_id = columns & {"patch_id", "issued_id"}
    return "finding" if has_id and columns & set(FORM_COLUMNS) else None


@dataclass(frozen=True)
class Sender:
    """Who returned a form."""

    township: str | None
    """None: the bureau."""
    is_current: bool = True
    """Whether the form is of the package as it stands."""
    notices: tuple[Finding, ...] = ()


def _form_sender(
    file: ReturnedFile, table: FormTable, kind: RecordKind, task: Task
) -> Sender | Finding:
    """Who sent the form, by the id in it, else by its place; or why it can not be taken."""
    identity = table.package_id
    if kind != "finding":
        if not is_bureau(file.name):
            what = "县局的表只从 bureau 文件夹接收。"
            return _unknown(file, "", "", "由县局放进 bureau 文件夹。", what)
        if identity and _RUN_ID.fullmatch(identity) and identity != task.run:
            return _other_run(file, identity, task)
        return Sender(None)
    by_place = _sender(file.name, task)
    named = split_package_id(identity) if identity else None
    if named is None:
        if by_place is None and not is_bureau(file.name):
            what = "看不出是哪个乡镇交回的。"
            allowed = "表里有核查包编号，或文件夹以 9 位乡镇代码开头"
            return _unknown(file, identity or "", allowed, "放进以乡镇代码开头的文件夹。", what)
        return Sender(by_place)
    run, code = named
    if run != task.run:
        return _other_run(file, str(identity), task)
    if code not in task.townships:
        what = "核查包编号里的乡镇不在本县。"
        return _unknown(file, str(identity), "、".join(task.townships), "核对是哪个县的表。", what)
    notices = []
    is_current = task.packages.get(code) == identity
    if not is_current:
        what = "核查包编号不是现在的那一份，锁定列没有核对。"
        notices.append(doubt(what, file.name, str(identity)))
    if by_place is not None and by_place != code:
        place, owner = task.townships[by_place], task.townships[code]
        what = f"文件放在{place}的文件夹里，按核查包编号归{owner}。"
        notices.append(doubt(what, file.name, by_place))
    return Sender(code, is_current, tuple(notices))


def _other_run(file: ReturnedFile, identity: str, task: Task) -> Finding:
    what = "期次不符：这份表不是本期的。"
    advice = f"放进它自己那一期的文件夹；本期的编号以 {task.run} 开头。"
    return _unknown(file, identity, task.run, advice, what)


def _unknown(
    file: ReturnedFile, value: str, allowed: str, advice: str, what: str = "认不出交回的是什么。"
) -> Finding:
    return Finding("E-RETURN-UNKNOWN", what, file.name, value, allowed, advice)


def _read_rows(
    file: ReturnedFile,
    table: FormTable,
    sender: Sender,
    kind: RecordKind,
    place: tuple[Material, Gathered],
) -> None:
    material, gathered = place
    moved = altered_outlines(table, material) if kind == "finding" and sender.is_current else {}
    told = (*sender.notices, *table.notices, *_unread(file, table))
    for row in table.rows:
        values = dict(row.values)
        if not sender.is_current:
            values = {n: v for n, v in values.items() if n in (*FORM_COLUMNS, "patch_id")}
        notices = (*told, *moved.get(str(row.values.get("patch_id")), ()))
        one = Received(
            kind,
            file.name,
            file.sha256,
            row.row_no,
            sender.township,
            subject_of(kind, row),
            values,
            notices,
        )
        gathered.received.append(one)


def _unread(file: ReturnedFile, table: FormTable) -> tuple[Finding, ...]:
    if not table.unknown_headers:
        return ()
    what = "有不认识的列，没有读取。"
    return (doubt(what, file.name, "、".join(table.unknown_headers[:12])),)


def subject_of(kind: RecordKind, row: FormRow) -> str:
    """What a row of a form is about, as it is written."""
    names: Sequence[str]
    match kind:
        case "case":
            names = ("case_no",)
        case "county_input":
            names = ("item", "unit_code", "year", "doc_no")
        case "decision":
            names = ("record_kind", "subject")
        case _:
            written = row.values.get("patch_id") or row.values.get("issued_id")
            return written or ""
    return "|".join(row.values.get(name) or "" for name in names)


def _read_photo(file: ReturnedFile, material: Material, gathered: Gathered) -> None:
    task = material.task
    township = _sender(file.name, task)
    subject = photo_subject(file.name, township, task)
    received = Received("photo", file.name, file.sha256, None, township, subject)
    gathered.outcomes.append(check_photo(received, read_photo(file), task))


def _read_survey(file: ReturnedFile, material: Material, gathered: Gathered) -> Finding | None:
    township = _sender(file.name, material.task)
    if township is None and not is_bureau(file.name):
        what = "看不出是哪个乡镇交回的实测界址。"
        allowed = "放在以 9 位乡镇代码开头的文件夹或 bureau 文件夹里"
        return _unknown(file, "", allowed, "移到所属乡镇的文件夹后重新回收。", what)
    gathered.township_of[file.name] = township
    features = read_survey(file, material.patches.crs)
    whole = [one for one in features if one.problem is not None and one.row_no is None]
    if whole and len(features) == 1:
        return whole[0].problem
    gathered.surveys += [(file, feature) for feature in features]
    return None
