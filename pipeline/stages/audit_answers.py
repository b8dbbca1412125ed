"""Part of the omission audit: the filled-in forms, and what two readers agree on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.delivery.audit_cards import ABSENT_ZH, ANSWER_COLUMNS, ANSWERS_ZH, PRESENT_ZH
from pipeline.errors import Finding, InputError
from pipeline.io.returned.tables import read_form
from pipeline.patches.omission_audit import STRATA_ZH, Stratum
from pipeline.schema.returned import ReturnedFile

READERS = ("reader_1", "reader_2")
READERS_ZH = ("判读人一", "判读人二")
ADJUDICATION, ADJUDICATION_ZH = "adjudication", "裁定"
_LETTERS = {"reader_1": "A", "reader_2": "B", ADJUDICATION: "C"}


def card_numbers(name: str, n: int) -> list[str]:
    """Numbers of the cards of a reader; all forms of the third opinion count on."""
    letter = _LETTERS.get(name, _LETTERS[ADJUDICATION])
    return [f"{letter}{number:04d}" for number in range(1, n + 1)]


def adjudications(folder: Path) -> list[str]:
    """Names of the forms of the third opinion written so far, in their order.

    The readers may fill in or correct their forms after the first; what they then differ on comes
    in further ones.
    """
    names: list[str] = []
    while (folder / f"{next_adjudication(names)}.xlsx").is_file():
        names.append(next_adjudication(names))
    return names


def next_adjudication(names: Sequence[str]) -> str:
    """Name of the form after those."""
    return ADJUDICATION if not names else f"{ADJUDICATION}_{len(names) + 1}"


def cells_asked(folder: Path, names: Sequence[str], n: int) -> NDArray[np.bool_]:
    """Which cells `(n,)` have a card in one of the forms of the third opinion."""
    at = {number: cell for cell, number in enumerate(card_numbers(ADJUDICATION, n))}
    asked = np.zeros(n, bool)
    for name in names:
        place = folder / f"{name}.xlsx"
        table = read_form(ReturnedFile(place.name, place, "", "xlsx"), ANSWER_COLUMNS)
        numbers = [str(row.values.get("card_no")) for row in table.rows]
        asked[[at[number] for number in numbers if number in at]] = True
    return asked


def read_answers(folder: Path, name: str, order: Sequence[int]) -> NDArray[np.str_]:
    """A form's answers in the order of the sample, empty where nothing is filled in."""
    place = folder / f"{name}.xlsx"
    numbers = card_numbers(name, len(order))
    answers = np.full(len(order), "", dtype="U16")
    if not place.is_file():
        raise InputError(
            Finding("E-FILE-MISSING", "找不到判读表。", where=str(place), advice="放回原来的文件。")
        )
    table = read_form(ReturnedFile(place.name, place, "", "xlsx"), ANSWER_COLUMNS)
    if table.problem is not None:
        raise InputError(table.problem)
    at = dict(zip(numbers, order, strict=True))
    findings = []
    for row in table.rows:
        number, answer = row.values.get("card_no"), row.values.get("answer")
        if number not in at or (answer and answer not in ANSWERS_ZH):
            findings.append(_bad_answer(place, row.row_no, number, answer))
        elif answer:
            answers[at[number]] = answer
    if findings:
        raise InputError(findings)
    return answers


def _bad_answer(place: Path, row: int, number: str | None, answer: str | None) -> Finding:
    return Finding(
        "E-RETURN-VALUE",
        "判读表里的这一行用不上。",
        where=f"{place.name} 第 {row} 行",
        value=f"卡号 {number or '空'}，结果 {answer or '空'}",
        allowed=f"本表的卡号；结果为 {'、'.join(ANSWERS_ZH)}",
        advice="改正后再运行。",
    )


def differing(given: Sequence[NDArray[np.str_]]) -> NDArray[np.bool_]:
    """Cells that both readers answered, but not alike."""
    first, second = given
    differs: NDArray[np.bool_] = (first != "") & (second != "") & (first != second)
    return differs


def settle(
    folder: Path, given: Sequence[NDArray[np.str_]], differs: NDArray[np.bool_]
) -> tuple[NDArray[np.str_], int]:
    """The answer that stands for each cell, empty if none does, and how many are in dispute."""
    first, second = given
    settled = np.where((first == second) & (first != ""), first, "")
    for name in adjudications(folder) if differs.any() else ():
        third = read_answers(folder, name, list(range(settled.size)))
        settled = np.where(differs & (third != ""), third, settled)
    return settled, int((differs & (settled == "")).sum())


def strata_of(
    settled: NDArray[np.str_], stratum: NDArray[np.int64], sizes: Sequence[int]
) -> tuple[Stratum, ...]:
    """Cells, cells read and cells with new construction of every stratum."""
    is_read = (settled == PRESENT_ZH) | (settled == ABSENT_ZH)
    return tuple(
        Stratum(
            sizes[number],
            int((is_read & (stratum == number)).sum()),
            int(((settled == PRESENT_ZH) & (stratum == number)).sum()),
        )
        for number in range(len(STRATA_ZH))
    )


def agreement_of(given: Sequence[NDArray[np.str_]]) -> float | None:
    """Cohen's kappa over the cells that both could judge; None where it is undefined."""
    first, second = given
    both = np.isin(first, (PRESENT_ZH, ABSENT_ZH)) & np.isin(second, (PRESENT_ZH, ABSENT_ZH))
    if not both.any():
        return None
    a, b = first[both] == PRESENT_ZH, second[both] == PRESENT_ZH
    agreed = float((a == b).mean())
    by_chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return None if by_chance == 1.0 else (agreed - by_chance) / (1.0 - by_chance)
