"""Balances of the quota ledger (指标账) and whether its equations hold.

Quota: opening + allotted + restored + carried in − deducted − carried out = closing.
Deduction: opening + deducted − restored = closing.
Every member is summed by the kind of its postings, every closing by the account alone, so that the
equation is a test and not a definition. What nobody stated is None (未提供), not zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Finding, Severity
from pipeline.rules.books.postings import CORRECTION
from pipeline.rules.books.row_values import integer_of
from pipeline.units import format_mu100

Row = Mapping[str, Any]


@dataclass(frozen=True)
class QuotaAccount:
    """Quota of one unit and year, 0.01 亩; None nobody stated it."""

    opening: int | None = None
    allotted: int | None = None
    restored: int | None = None
    carried_in: int | None = None
    deducted: int | None = None
    carried_out: int | None = None
    closing: int | None = None
    """None if neither opening nor allotted nor carried in is stated."""

    @property
    def expected_closing(self) -> int:
        """By the equation, what is not stated being nothing."""
        gained = (self.opening, self.allotted, self.restored, self.carried_in)
        return _sum(gained) - _sum((self.deducted, self.carried_out))


@dataclass(frozen=True)
class DeductionAccount:
    """What was deducted from a unit and not yet given back, 0.01 亩; None nobody stated it."""

    opening: int | None = None
    deducted: int | None = None
    restored: int | None = None
    closing: int | None = None

    @property
    def expected_closing(self) -> int:
        """By the equation, what is not stated being nothing."""
        return _sum((self.opening, self.deducted)) - _sum((self.restored,))


@dataclass(frozen=True)
class UnitAccount:
    """Both accounts of one unit and year."""

    quota: QuotaAccount = QuotaAccount()
    deduction: DeductionAccount = DeductionAccount()


NO_ACCOUNT = UnitAccount()
"""A unit of which the ledger knows nothing."""

_QUOTA_MEMBERS = {
    "opening": 1,
    "allotted": 1,
    "restored": 1,
    "carried_in": 1,
    "deducted": -1,
    "carried_out": -1,
}
_DEDUCTION_MEMBERS = {"deduction_opening": 1, "deducted": 1, "restored": -1}


def balances(ledger: Iterable[Row], year: int) -> dict[str, UnitAccount]:
    """Accounts of every unit that has a posting in the year, by code.

    `ledger` are rows of `schema.register_layers.LEDGER`, corrections with what they reverse.
    """
    return _balances(_Lines.of(ledger), year)


def county_account(accounts: Mapping[str, UnitAccount], county_code: str) -> UnitAccount:
    """The whole county: what the county stated for itself, else the sum of the townships.

    Deductions and restitutions are always the sum over all units, for the county's documents are
    shared out over them.
    """
    quota = {
        name: _whole(accounts, county_code, "quota", name, name in ("restored", "deducted"))
        for name in _QUOTA_MEMBERS
    }
    deduction = {
        name: _whole(accounts, county_code, "deduction", name, name != "opening")
        for name in ("opening", "deducted", "restored")
    }
    sums_quota, sums_deduction = QuotaAccount(**quota), DeductionAccount(**deduction)
    return UnitAccount(
        QuotaAccount(**quota, closing=_closing_quota(sums_quota, sums_quota.expected_closing)),
        DeductionAccount(
            **deduction, closing=_closing_deduction(sums_deduction, sums_deduction.expected_closing)
        ),
    )


def deducted_by_unit(
    ledger: Iterable[Row], year: int, except_run: str | None = None
) -> dict[str, int]:
    """Deducted in a year by unit, 0.01 亩; without the postings of one run.

    Whether a unit is deducted twice running must not hang on what the same run posts.
    """
    listed = [row for row in ledger if except_run is None or row["run"] != except_run]
    return {
        code: account.deduction.deducted
        for code, account in _balances(_Lines.of(listed), year).items()
        if account.deduction.deducted is not None
    }


def check_ledger(ledger: Iterable[Row]) -> list[Finding]:
    """What does not add up: postings, corrections, equations, more given back than deducted."""
    lines = _Lines.of(ledger)
    findings = _check_postings(lines) + _check_reversals(lines)
    years = sorted({int(row["year"]) for row in lines.rows})
    for year in years:
        for code, account in _balances(lines, year).items():
            findings += _check_account(account, f"{year}年，单位 {code}")
    return findings


@dataclass(frozen=True)
class _Lines:
    """Ledger rows, and by posting number the kind that it counts for."""

    rows: tuple[Row, ...]
    kinds: Mapping[int, str]

    @staticmethod
    def of(ledger: Iterable[Row]) -> _Lines:
        rows = tuple(ledger)
        kinds = {int(row["posting_no"]): str(row["posting_kind"]) for row in rows}
        for row in rows:
            reverses = integer_of(row, "reverses_no")
            if row["posting_kind"] == CORRECTION and reverses is not None:
                kinds[int(row["posting_no"])] = kinds.get(reverses, CORRECTION)
        return _Lines(rows, kinds)


def _balances(lines: _Lines, year: int) -> dict[str, UnitAccount]:
    members: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    closing: Counter[tuple[str, str]] = Counter()
    units = set()
    for row in lines.rows:
        if row["year"] != year or row["account"] not in ("quota", "deduction"):
            continue
        code, account, amount = str(row["unit_code"]), str(row["account"]), int(row["amount_mu100"])
        kind = lines.kinds[int(row["posting_no"])]
        sums = members[code, account]
        sums[kind] = sums.get(kind, 0) + amount
        closing[code, account] += amount
        units.add(code)
    return {
        code: UnitAccount(
            _quota(members[code, "quota"], closing[code, "quota"]),
            _deduction(members[code, "deduction"], closing[code, "deduction"]),
        )
        for code in sorted(units)
    }


def _quota(sums: Mapping[str, int], closing: int) -> QuotaAccount:
    found = {kind: _signed(sums, kind, sign) for kind, sign in _QUOTA_MEMBERS.items()}
    return QuotaAccount(**found, closing=_closing_quota(QuotaAccount(**found), closing))


def _deduction(sums: Mapping[str, int], closing: int) -> DeductionAccount:
    found = {
        kind.removeprefix("deduction_"): _signed(sums, kind, sign)
        for kind, sign in _DEDUCTION_MEMBERS.items()
    }
    return DeductionAccount(**found, closing=_closing_deduction(DeductionAccount(**found), closing))


def _signed(sums: Mapping[str, int], kind: str, sign: int) -> int | None:
    return sign * sums[kind] if kind in sums else None


def _closing_quota(account: QuotaAccount, closing: int) -> int | None:
    stated = (account.opening, account.allotted, account.carried_in)
    return None if stated == (None, None, None) else closing


def _closing_deduction(account: DeductionAccount, closing: int) -> int | None:
    stated = (account.opening, account.deducted, account.restored)
    return None if stated == (None, None, None) else closing


def _whole(
    accounts: Mapping[str, UnitAccount], county_code: str, account: str, name: str, is_summed: bool
) -> int | None:
    found: dict[str, int | None] = {
        code: getattr(getattr(unit, account), name) for code, unit in accounts.items()
    }
    own = found.get(county_code)
    if own is not None and not is_summed:
        return own
    known = [amount for amount in found.values() if amount is not None]
    return sum(known) if known else None


def _sum(amounts: Iterable[int | None]) -> int:
    return sum(amount for amount in amounts if amount is not None)


def _check_postings(lines: _Lines) -> list[Finding]:
    """Every posting sums to zero and is one thing: of one kind, year and posting taken back."""
    sums: Counter[int] = Counter()
    heads: dict[int, set[tuple[Any, ...]]] = defaultdict(set)
    for row in lines.rows:
        number = int(row["posting_no"])
        sums[number] += int(row["amount_mu100"])
        head = (row["posting_kind"], int(row["year"]), integer_of(row, "reverses_no"))
        heads[number].add(head)
    findings = []
    for number, total in sorted(sums.items()):
        where = f"凭证 {number}"
        if total:
            value = f"{format_mu100(total)} 亩"
            findings.append(_unbalanced(f"第 {number} 号凭证借贷不平。", where, value))
        if len(heads[number]) > 1:
            what = f"第 {number} 号凭证各分录的业务、年度或冲销凭证号不一致。"
            findings.append(_unbalanced(what, where, ""))
    return findings


def _check_reversals(lines: _Lines) -> list[Finding]:
    """A correction takes back one earlier posting, in full, and only once."""
    entries: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
    reverses: dict[int, int | None] = {}
    for row in lines.rows:
        number = int(row["posting_no"])
        entries[number][str(row["account"]), str(row["unit_code"])] += int(row["amount_mu100"])
        if row["posting_kind"] == CORRECTION:
            reverses[number] = integer_of(row, "reverses_no")
    findings, taken_back = [], set()
    for number, earlier in sorted(reverses.items()):
        where = f"凭证 {number}"
        if earlier is None or earlier not in entries or earlier >= number:
            findings.append(_unbalanced("更正凭证没有指明此前的凭证。", where, str(earlier)))
            continue
        if earlier in taken_back:
            findings.append(_unbalanced(f"第 {earlier} 号凭证被冲销两次。", where, str(earlier)))
        taken_back.add(earlier)
        if any(entries[number][entry] != -amount for entry, amount in entries[earlier].items()):
            what = f"更正没有全额冲销第 {earlier} 号凭证。"
            findings.append(_unbalanced(what, where, str(earlier)))
    return findings


def _check_account(account: UnitAccount, where: str) -> list[Finding]:
    quota, deduction = account.quota, account.deduction
    findings = []
    for title, part in (("指标", quota), ("扣减", deduction)):
        if part.closing is not None and part.closing != part.expected_closing:
            value = f"期末 {format_mu100(part.closing)}，应为 {format_mu100(part.expected_closing)}"
            findings.append(_unbalanced(f"{title}账期末数与各项不符。", where, value))
    if deduction.closing is not None and deduction.closing < 0:
        value = f"{format_mu100(-deduction.closing)} 亩"
        advice = "核对返还文件和扣减文件的年度、单位和数额。"
        what = "返还数大于期初与扣减数之和。"
        findings.append(
            Finding("E-LEDGER-BALANCE", what, where, value, "不大于扣减数", advice, Severity.NOTICE)
        )
    if quota.closing is not None and quota.closing < 0:
        value = f"{format_mu100(quota.closing)} 亩"
        advice = "核对下达、结转和扣减文件；乡镇指标不足的由县统筹。"
        what = "指标期末数为负。"
        findings.append(
            Finding("E-LEDGER-BALANCE", what, where, value, "不小于 0", advice, Severity.NOTICE)
        )
    return findings


def _unbalanced(what: str, where: str, value: str) -> Finding:
    advice = "账目只由程序记，不要直接改台账文件；用备份恢复后重新运行 collect。"
    return Finding("E-LEDGER-BALANCE", what, where, value, "", advice)
