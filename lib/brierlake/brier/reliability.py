"""The reliability table of one key: display bins, and the blocks of the isotonic fit."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from brierlake.brier.corp import consistency_bands, fit_isotonic
from brierlake.brier.decomposition import labelled_bins
from brierlake.brier.grid import FloatArray, IntArray, display_bin
from brierlake.brier.inference import wilson_interval
from brierlake.brier.tally import Tally

DISPLAY_BINS: Final = (10, 20)


@dataclass(frozen=True)
class ReliabilityRow:
    """One bin or block; its fields are those of `RELIABILITY_FIELDS`."""

    kind: str
    position: int
    lower: float
    upper: float
    n_scored: int
    n_labelled: int
    n_events: int
    mean_probability: float
    mean_probability_labelled: float | None
    event_rate: float | None
    event_rate_low: float | None
    event_rate_high: float | None
    band_low: float | None
    band_high: float | None


def display_bins(tally: Tally, *, level: float = 0.95) -> list[ReliabilityRow]:
    """The bins of 10 and of 20 that hold scored rows, in order, each rate with its Wilson interval."""
    return [row for bins in DISPLAY_BINS for row in _bins(tally, bins, level)]


def _bins(tally: Tally, bins: int, level: float) -> list[ReliabilityRow]:
    position, inverse = np.unique(display_bin(tally.cell_id, bins), return_inverse=True)
    n_scored = np.bincount(inverse, tally.scored.n, len(position)).astype(np.int64)
    total = np.bincount(inverse, tally.scored.n * tally.scored.probability, len(position))
    labelled = labelled_bins(tally, bins)
    low, high = wilson_interval(labelled.n_events, labelled.n, level=level)
    slot_of = {int(each): slot for slot, each in enumerate(labelled.position)}
    rows = []
    for each, count, mean in zip(position.tolist(), n_scored.tolist(), (total / n_scored).tolist(), strict=True):
        slot = slot_of.get(each)
        rows.append(
            ReliabilityRow(
                kind=f"bins_{bins}",
                position=each,
                lower=each / bins,
                upper=(each + 1) / bins,
                n_scored=count,
                n_labelled=0 if slot is None else int(labelled.n[slot]),
                n_events=0 if slot is None else int(labelled.n_events[slot]),
                mean_probability=mean,
                mean_probability_labelled=None if slot is None else float(labelled.mean_probability[slot]),
                event_rate=None if slot is None else float(labelled.event_rate[slot]),
                event_rate_low=None if slot is None else float(low[slot]),
                event_rate_high=None if slot is None else float(high[slot]),
                band_low=None,
                band_high=None,
            )
        )
    return rows


def corp_blocks(tally: Tally, *, has_bands: bool = False, level: float = 0.95) -> list[ReliabilityRow]:
    """The blocks of the isotonic fit over the cells that hold labels, in order; bands where asked for.

    A block's band is the pointwise one at the cell where the block's mean probability lies.
    """
    keep = tally.n[:2].sum(axis=0) > 0
    rows = tally.only_labelled
    if not rows.labelled_count:
        return []
    starts = fit_isotonic(rows.labelled.n, rows.events.n).starts[:-1]
    ends = np.append(starts[1:], len(rows.centre)) - 1

    def total(values: FloatArray | IntArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values, starts), np.float64)

    n, n_events, n_scored = total(rows.labelled.n), total(rows.events.n), total(tally.scored.n[keep])
    mean = total(rows.labelled.n * rows.labelled.probability) / n
    mean_scored = total((tally.scored.n * tally.scored.probability)[keep]) / n_scored
    bands = _block_bands(rows, mean, level) if has_bands else [(None, None)] * len(starts)
    return [
        ReliabilityRow(
            kind="corp",
            position=each,
            lower=float(rows.labelled.probability[starts[each]]),
            upper=float(rows.labelled.probability[ends[each]]),
            n_scored=int(n_scored[each]),
            n_labelled=int(n[each]),
            n_events=int(n_events[each]),
            mean_probability=float(mean_scored[each]),
            mean_probability_labelled=float(mean[each]),
            event_rate=float(n_events[each] / n[each]),
            event_rate_low=None,
            event_rate_high=None,
            band_low=low,
            band_high=high,
        )
        for each, (low, high) in enumerate(bands)
    ]


def _block_bands(rows: Tally, mean: FloatArray, level: float) -> list[tuple[float | None, float | None]]:
    low, high = consistency_bands(rows, level=level)
    at = np.clip(np.searchsorted(rows.labelled.probability, mean), 0, len(low) - 1)
    return list(zip(low[at].tolist(), high[at].tolist(), strict=True))
