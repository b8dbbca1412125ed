"""Measures what the product must hold, through its commands and files only.

    python scripts/acceptance.py naip DATA --out DIR [--pairs 1-9] [--seeds 1-3]
    python scripts/acceptance.py demo --out DIR [--seeds 11-15] [--ablate]
    python scripts/acceptance.py swap BEFORE AFTER --out DIR [--bands …]
    python scripts/acceptance.py cloud30 --out DIR [--seed 11]

Prints a table, writes a JSON report into DIR and ends with 0 if the limits hold. Finished runs in
DIR are used again. Implant seeds 1-3 and counties 1-5 and 11-15 are never used for development.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from accepting import cloud, demo, naip, pairs

MEASURES = {
    "naip": (naip.add_options, naip.run),
    "demo": (demo.add_options, demo.run),
    "cloud30": (cloud.add_options, cloud.run),
    "swap": (pairs.add_swap_options, pairs.run_swap),
}


def main() -> int:
    """One measure; its verdict is the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="measure", required=True)
    for name, (add_options, _) in MEASURES.items():
        command = commands.add_parser(name)
        add_options(command)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--workers", type=int, default=1, help="threads of each comparison")
        command.add_argument("--detector", default="auto")
    given = parser.parse_args()
    for key, value in vars(given).items():
        if isinstance(value, Path):
            setattr(given, key, value.resolve())
    given.out.mkdir(parents=True, exist_ok=True)
    return MEASURES[given.measure][1](given)


if __name__ == "__main__":
    raise SystemExit(main())
