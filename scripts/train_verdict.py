"""Fits the scorecard over construction candidates: `configs/models/construction_verdict.json`.

    PYTHONPATH=. python scripts/train_verdict.py --work FOLDER --backgrounds NAIP
        [--counties 171-180] [--dates 1-6] [--network FILE] [--other FILE:DATES …]

Run it whenever the construction network has changed: a card belongs to one network. Candidates
(`verdict_cases`) come from demo counties and from the dates of a real place that the network
learned from. On these it makes fewer mistakes than on dates that it never saw; so `--other` adds
candidates of networks of the same recipe on the dates that they did not learn from. Candidates
mostly inside something built are construction; those hardly touching anything are not; the others
are left out. The same inputs give the same card; finished comparisons in `--work` are kept.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accepting.naip import dated_images, span
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from verdict_cases import Table, counties, measure, real_pairs, using

from pipeline.change.learned.network import parse_network
from pipeline.change.verdict import FigureCard, VerdictCard, scored, size_term
from pipeline.config.load import CONSTRUCTION_NETWORK, CONSTRUCTION_VERDICT

LEAST_BUILT, MOST_UNBUILT = 0.5, 0.1
"""Share of a candidate inside something built: from here on it is construction, below it is not."""
N_QUANTILES = 20
PENALTY, SIZE_PENALTY = 3.0, 10.0
"""Of a squared weight, and of one that goes with the pixel size, in units of log-likelihood / 2."""
REAL_WEIGHT = 3.0
"""Candidates on real ground count so many times: the counties have ten times as many, nearly all of
them built."""
DIGITS = 5


@dataclass(frozen=True)
class Source:
    """A network and the dates of the real place, from 1, on which its candidates are taken."""

    network: Path
    dates: tuple[int, ...]


def main() -> None:
    """Compare, measure, fit, write."""
    given = _arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    own = Source(given.network, tuple(span(given.dates)))
    tables, sizes, truths, weights = [], [], [], []
    for number, source in enumerate((own, *given.other)):
        work = given.work / f"other{number}" if number else given.work
        cases = [] if number else [*counties(given.counties, work)]
        cases += real_pairs(given.backgrounds, source.dates, work)
        for case in cases:
            with using(source.network):
                figures, pixel_m, share = measure(case, work / case.name)
            tables.append(figures)
            sizes.append(np.full(share.size, size_term(pixel_m)))
            truths.append(share)
            weights.append(np.full(share.size, REAL_WEIGHT if case.bands else 1.0))
            print(f"{case.name}: {share.size} candidates, {np.sum(share >= LEAST_BUILT)} built")
    known = (np.concatenate(parts) for parts in (sizes, truths, weights))
    card = fit(tables, *known, _trained_on(given, own), given.network)
    text = json.dumps(card.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"
    given.out.write_text(text, encoding="utf-8", newline="\n")


def fit(
    tables: list[Table],
    size: NDArray[np.float64],
    share: NDArray[np.float64],
    counts: NDArray[np.float64],
    trained_on: str,
    network_path: Path,
) -> VerdictCard:
    """The card by penalised logistic regression on normal scores (no draw of lots anywhere); every
    candidate counts as many times as `counts` says."""
    names = list(tables[0])
    values = np.column_stack([np.concatenate([table[name] for table in tables]) for name in names])
    is_clear = (share >= LEAST_BUILT) | (share < MOST_UNBUILT)
    values, built, size = values[is_clear], share[is_clear] >= LEAST_BUILT, size[is_clear]
    counts = counts[is_clear]
    middles = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    quantiles = np.quantile(values, middles, axis=0)
    quantiles = np.array([[float(f"{q:.{DIGITS}g}") for q in row] for row in quantiles])
    columns = zip(values.T, quantiles.T, strict=True)
    scores = np.column_stack([scored(*column) for column in columns])
    terms = np.column_stack([size, scores, scores * size[:, np.newaxis]])
    penalty = np.full(terms.shape[1], SIZE_PENALTY)
    penalty[: len(names) + 1] = PENALTY

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_odds = weights[0] + terms @ weights[1:]
        wrong = counts * (expit(log_odds) - built)
        fall = np.concatenate([[wrong.sum()], terms.T @ wrong + penalty * weights[1:]])
        missed = counts @ np.logaddexp(0, np.where(built, -log_odds, log_odds))
        return float(missed + np.sum(penalty * weights[1:] ** 2) / 2), fall

    start = np.zeros(terms.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    weights, n = [round(float(weight), DIGITS) for weight in found], len(names)
    print(f"{built.sum()} built, {np.sum(~built)} not; loss {loss(found)[0]:.1f}")
    network = parse_network(network_path.read_bytes(), str(network_path))
    return VerdictCard(
        network_sha256=network.digest,
        trained_on=trained_on,
        built_share=round(float(np.average(built, weights=counts)), DIGITS),
        intercept=weights[0],
        size_weight=weights[1],
        figures=tuple(
            FigureCard(name=name, quantiles=tuple(column), weight=weight, size_weight=by_size)
            for name, column, weight, by_size in zip(
                names, quantiles.T.tolist(), weights[2:][:n], weights[2:][n:], strict=True
            )
        ),
    )


def _trained_on(given: argparse.Namespace, own: Source) -> str:
    told = f"demo 示例县（种子 {given.counties}，2、3、5 米像元）的疑似建设对象"
    told += f"；NAIP 影像 {_names(given, own)} 两两比对的疑似建设对象，照原样的和嵌入房屋、场地的"
    for other in given.other:
        told += f"；没有学过 {_names(given, other)} 的同类网络在这些影像上的疑似建设对象，同样"
    return told


def _names(given: argparse.Namespace, source: Source) -> str:
    return "、".join(image.stem for image in dated_images(given.backgrounds, source.dates))


def _other(text: str) -> Source:
    """`FILE:1-3,7`."""
    path, _, dates = text.rpartition(":")
    return Source(Path(path), tuple(span(dates)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True, help="dated images of one place")
    parser.add_argument("--counties", default="171-180")
    parser.add_argument("--network", type=Path, default=CONSTRUCTION_NETWORK)
    parser.add_argument("--dates", default="1-6", help="those that the network learned from")
    parser.add_argument(
        "--other", type=_other, action="append", default=[], help="FILE:DATES, dates it never saw"
    )
    parser.add_argument("--out", type=Path, default=CONSTRUCTION_VERDICT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
