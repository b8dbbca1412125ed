"""Running the command line and ending the process with the exit codes of DESIGN §6."""

from __future__ import annotations

import sys
import traceback

from typer.exceptions import Abort, Exit, TyperException

from pipeline.cli.app import app
from pipeline.errors import ExitCode, Finding, PipelineError


def main() -> None:
    """Run the command line and end the process with the exit codes of DESIGN §6."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app(standalone_mode=False)
    except PipelineError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    except Exit as done:
        sys.exit(done.exit_code)
    except TyperException as problem:
        from pipeline.cli.usage import usage_finding  # needs pydantic, which --help does not

        print(usage_finding(problem).render(), file=sys.stderr)
        sys.exit(ExitCode.USAGE)
    except (KeyboardInterrupt, Abort):
        print("已中断；再次运行会从中断处继续。", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:
        traceback.print_exc()
        advice = "请把上面的全部文字和 run.log 交给维护人员；已完成的阶段不受影响，可再次运行。"
        print(
            Finding("E-INTERNAL", "出现了没有预料到的错误。", advice=advice).render(),
            file=sys.stderr,
        )
        sys.exit(ExitCode.INTERNAL)
