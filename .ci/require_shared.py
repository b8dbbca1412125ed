"""Pytest plugin: with the shared imagery beside the repository, no `shared` test may be skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember every skipped test that is marked `shared`."""
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    if is_skip and "shared" in report.keywords:
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A whole module skipped for want of the shared imagery has no markers to look at."""
    if report.skipped and "shared" in str(report.longrepr):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a green run red."""
    if SHARED.is_dir() and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were skipped, before pytest's closing line."""
    if SHARED.is_dir():
        for name in _skipped:
            terminalreporter.write_line(f"FAILED {name}: skipped although ../shared is here")
