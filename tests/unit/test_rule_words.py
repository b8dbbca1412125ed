"""Values of rules in words, and back from the text that the trace keeps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipeline.delivery.tables.rule_words import KIND_ORDER, rule_words, text_words, value_text
from tests.books_factory import PERIOD_END, RULES


@pytest.mark.parametrize(
    ("rule_id", "value", "unit", "words"),
    [
        ("quota.base", "new_construction", "code", "违法新增建设用地面积"),
        ("quota.coef_pbf", Decimal("2"), "1", "2"),
        ("quota.floor", Decimal("0.5"), "mu", "0.5亩"),
        ("x", {"year": Decimal(1), "month": Decimal(6), "day": Decimal(30)}, "1", "次年6月30日"),
        ("x", {"year": Decimal(0), "month": Decimal(12), "day": Decimal(31)}, "1", "当年12月31日"),
        (
            "x",
            {"year": Decimal(2), "month": Decimal(1), "day": Decimal(1)},
            "1",
            "检查年度后第2年1月1日",
        ),
        (KIND_ORDER, ("4", "5"), "code", "情形4、情形5"),
        ("x", (Decimal(300), Decimal("0.5")), "mu", "300、0.5亩"),
        ("x", True, "flag", "是"),
        ("x", None, "1", "未定"),
    ],
)
def test_words(rule_id: str, value: Any, unit: str, words: str) -> None:
    assert rule_words(rule_id, value, unit) == words
    if not isinstance(value, bool) and value is not None:
        assert text_words(rule_id, value_text(value), unit) == words


def test_no_rule_in_force_is_told_in_the_form_of_a_language() -> None:
    for parameter in RULES.parameters:
        value = RULES.at(parameter.id, PERIOD_END).value
        words = text_words(parameter.id, value_text(value), parameter.unit)
        assert not set(words) & set("{}[]'\"()"), (parameter.id, words)
        assert "Decimal" not in words
