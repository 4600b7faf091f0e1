"""History: what many windows tell of one figure: how days hang together, the base rate before, and evidence."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa

from brierlake.brier import ClusterProducts, KeyFacts, add_in_order, detect_change, read_products, weigh_windows
from brierlake.brier.clustered import PRODUCTS, TOTALS
from brierlake.brier.evidence import ALARM, finite_or_none, has_complete_labels, starts_after
from brierlake.brier.grid import FloatArray
from brierlake.brier.inference import between_windows
from brierlake.brier.meaning import FEWEST, count_rarer, is_by_cluster
from brierlake.config import AUTO, DiagnosticsConfig, FeaturesConfig
from brierlake.lakehouse.windows import Window
from brierlake.run.training_ends import Trained

Version = tuple[str | None, int | None]
"""Name and number of a registered version; (None, None): as published, whichever scored."""
PUBLISHED: Version = (None, None)
Slice = tuple[str | None, str | None]
"""Column sliced by and its value; (None, None): all rows."""
_SUMS = ("clusters", "n", "n_scored", "sum_ss", *(f"sum_{name}" for name in (*TOTALS[1:], *PRODUCTS)))
_TOTAL_NAMES = ("n", *(f"sum_{name}" for name in TOTALS[1:]))


@dataclass(frozen=True)
class _Part:
    """One row of brier_clusters: sums (in the order of _SUMS) of one version's rows in a window or month, or slice."""

    version: Version
    grain: str
    start: Window
    slice_: Slice
    sums: FloatArray


class History:
    """The rows of brier_clusters of one job and role, and what follows from them for each key.

    Args:
        rows: Window rows over all rows of all windows; of slices those of the months, or windows, that matter.
    """

    def __init__(
        self, rows: pa.Table, *, settings: DiagnosticsConfig, features: FeaturesConfig, trained: Trained
    ) -> None:
        self._settings, self._features, self._trained = settings, features, trained
        self._parts = [_part(row) for row in rows.to_pylist()]

    def facts(self, *, windows: Iterable[Window], months: Iterable[Window]) -> dict[tuple[Any, ...], KeyFacts]:
        """Return what is to be told of the keys of these windows, these months, and the total."""
        wanted = {*(("window", each) for each in windows), *(("month", each) for each in months), ("all", None)}
        found: dict[tuple[Any, ...], KeyFacts] = {}
        has_one_version = len(self._series.keys() - {PUBLISHED}) == 1
        for (grain, start, slice_), by_version in self._by_key.items():
            if (grain, start) not in wanted:
                continue
            rate = self._reference_rate(grain, start, slice_)
            for version in (PUBLISHED, *by_version):
                if has_one_version and version != PUBLISHED:  # what is known of it is what is known of all
                    found[(*version, grain, start, *slice_)] = found[(*PUBLISHED, grain, start, *slice_)]
                    continue
                whole = reduce(add, by_version.values()) if version == PUBLISHED else by_version[version]
                found[(*version, grain, start, *slice_)] = KeyFacts(
                    clusters=self._clusters(whole, version, grain, start, slice_),
                    reference_rate=rate,
                    between=self._between(version, start) if grain == "window" else {},
                    evidence=self._evidence(version) if grain == "all" and slice_ == (None, None) else {},
                )
        return found

    @cached_property
    def _by_key(self) -> Mapping[tuple[str, Window, Slice], dict[Version, FloatArray]]:
        """Sums by version of each key; the total's are those of the months."""
        keys: dict[Any, dict[Version, FloatArray]] = defaultdict(dict)
        for part in self._parts:
            starts = [(part.grain, part.start), *([("all", None)] if part.grain == "month" else [])]
            for grain, start in starts:
                held = keys[grain, start, part.slice_]
                held[part.version] = held.get(part.version, np.zeros(len(_SUMS))) + part.sums
        return keys

    @cached_property
    def _series(self) -> Mapping[Version, Mapping[date, FloatArray]]:
        """Sums of each window with a date, over all rows, in order of time."""
        found: dict[Version, dict[date, FloatArray]] = defaultdict(dict)
        whole = [part for part in self._parts if part.grain == "window" and part.slice_ == (None, None) and part.start]
        for part in sorted(whole, key=lambda part: part.start or date.min):
            for version in (part.version, PUBLISHED):
                before = found[version].get(part.start or date.min, np.zeros(len(_SUMS)))
                found[version][part.start or date.min] = before + part.sums
        return found

    @cached_property
    def labelled_days(self) -> Mapping[date, bool]:
        """Windows with a date that hold scored rows, in order of time, and whether their labels are complete."""
        series = self._series.get(PUBLISHED, {})
        return {day: _is_complete(sums) for day, sums in series.items() if sums[_SUMS.index("n_scored")]}

    @property
    def scored_rows(self) -> Mapping[date, int]:
        return {day: int(sums[_SUMS.index("n_scored")]) for day, sums in self._series.get(PUBLISHED, {}).items()}

    def has_labels(self, day: date) -> bool:
        return bool(self._series[PUBLISHED][day][_SUMS.index("n")])

    @cached_property
    def _are_days(self) -> bool:
        """Whether each window is one cluster and follows the one before: only then do lags mean something."""
        return self._settings.cluster == AUTO and self._features.window == "day"

    def _clusters(
        self, sums: FloatArray, version: Version, grain: str, start: Window, slice_: Slice
    ) -> ClusterProducts | None:
        if self._settings.cluster is None:
            return None
        products = read_products(dict(zip(_SUMS, sums.tolist(), strict=True)))
        if grain != "window" and slice_ == (None, None) and self._are_days:
            series = self._series.get(version, {})
            days = [_totals(row) for day, row in series.items() if grain == "all" or day.replace(day=1) == start]
            undated = self._by_key.get(("window", None, slice_))
            if days and undated is None:
                products = add_in_order(days)
        is_chosen = self._settings.cluster != AUTO
        return products if is_chosen or is_by_cluster(products.clusters) else None

    def _reference_rate(self, grain: str, start: Window, slice_: Slice) -> float | None:
        """Base rate of the windows before this key's, as published; None: too few to go by, or there is no before."""
        most = self._settings.reference_windows
        if grain == "all" or start is None or not most:
            return None
        days, counts = self._rates.get(("window", slice_), ([], []))
        if not days:  # slices are kept by month only
            days, counts = self._rates.get(("month", slice_), ([], []))
            most = 1 if self._features.window == "day" else most
        end = bisect_left(days, start)
        n, n_events = (sum(each[k] for each in counts[max(0, end - most) : end]) for k in (0, 1))
        return n_events / n if n and count_rarer(int(n), int(n_events)) >= FEWEST else None

    def _between(self, version: Version, start: Window) -> Mapping[str, float]:
        """Variance of s and of r between the windows before, beside what chance makes of their rows; empty: too few."""
        days, sums = self._labelled.get(version, ([], np.zeros((0, len(_SUMS)))))
        if start is None or not self._settings.reference_windows:
            return {}
        end = bisect_left(days, start)
        before = sums[max(0, end - self._settings.reference_windows) : end]
        return between_windows(*(before[:, _SUMS.index(name)] for name in ("n", "sum_s", "sum_ss", "sum_r")))

    @cached_property
    def _labelled(self) -> Mapping[Version, tuple[list[date], FloatArray]]:
        """The windows of each version that hold two labels or more: their days, in order, and their sums."""
        kept = {
            version: [(day, sums) for day, sums in series.items() if sums[_SUMS.index("n")] > 1]
            for version, series in self._series.items()
        }
        return {
            version: ([day for day, _ in rows], np.array([sums for _, sums in rows]))
            for version, rows in kept.items()
            if rows
        }

    @cached_property
    def _rates(self) -> Mapping[tuple[str, Slice], tuple[list[date], list[tuple[float, float]]]]:
        """By grain and slice: windows (or months) with a date, in order, and labelled rows and events of each."""
        found: dict[tuple[str, Slice], list[tuple[date, tuple[float, float]]]] = defaultdict(list)
        for (grain, start, slice_), by_version in self._by_key.items():
            if grain != "all" and start is not None:
                whole = reduce(add, by_version.values())
                found[grain, slice_].append((start, (whole[_SUMS.index("n")], whole[_SUMS.index("sum_y")])))
        ordered = {key: sorted(rows) for key, rows in found.items()}
        return {key: ([day for day, _ in rows], [counts for _, counts in rows]) for key, rows in ordered.items()}

    def _evidence(self, version: Version) -> Mapping[str, Any]:
        """Evidence against calibration from the windows whose labels are complete and that were not trained on."""
        series = self._series.get(version, {})
        complete = [day for day, sums in series.items() if _is_complete(sums)]
        days = [day for day in complete if self._is_new(version, day)]
        rows = np.array([series[day] for day in days]).reshape(len(days), len(_SUMS))
        n, y, r, z = (rows[:, _SUMS.index(name)] for name in ("n", "sum_y", "sum_r", "sum_z"))
        weighed = weigh_windows(np.stack((r, z), axis=1), n, y - r)
        gap = weighed.processes[0]
        is_ok = weighed.status == "ok" and bool(len(gap.low))
        changes = [detect_change(weighed.means[:, k]) for k in (0, 1)]
        statistic = float(np.mean([each.statistic[-1] for each in changes])) if is_ok else 0.0
        first = max(changes, key=lambda each: each.statistic[-1]).first if is_ok and statistic >= ALARM else None
        status = weighed.status
        if status == "no_windows" and complete:
            status = "in_sample"
        return {
            "log_e_value": weighed.log_e_value,
            "sequence_low": finite_or_none(gap.low[-1]) if is_ok else None,
            "sequence_high": finite_or_none(gap.high[-1]) if is_ok else None,
            "n_windows": len(weighed.lasts),
            "n_in_sample": len(complete) - len(days),
            "block": weighed.block,
            "evidence_status": status,
            "change_statistic": statistic,
            "changed_since": days[int(weighed.firsts[first])] if first is not None else None,
        }

    def _is_new(self, version: Version, day: date) -> bool:
        """Whether none of who scored a window was trained on it."""
        scored_by = [version] if version != PUBLISHED else [each for each in self._series if day in self._series[each]]
        return all(is_new(day, version=each, trained=self._trained) for each in scored_by if each != PUBLISHED)


def is_new(window: Window, *, version: Version, trained: Trained) -> bool:
    name, number = version
    until = trained.get((name, number)) if name is not None and number is not None else None
    return starts_after(window, until)


def _is_complete(sums: FloatArray) -> bool:
    return has_complete_labels(sums[_SUMS.index("n")], sums[_SUMS.index("n_scored")])


def _totals(sums: FloatArray) -> Sequence[float]:
    return [float(sums[_SUMS.index(name)]) for name in _TOTAL_NAMES]


def _part(row: Mapping[str, Any]) -> _Part:
    return _Part(
        version=(row["model_name"], row["model_version"]),
        grain=row["grain"],
        start=row["window_start"],
        slice_=(row["slice_key"], row["slice_value"]),
        sums=np.array([float(row[name] or 0.0) for name in _SUMS]),
    )
