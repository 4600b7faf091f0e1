"""What the windows of one pair of versions say of its difference: evidence for every look, and an interval for one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from brierlake.brier import (
    ClusterProducts,
    Weighed,
    add_in_order,
    detect_departure,
    paired_difference,
    read_products,
    weigh_windows,
)
from brierlake.brier.clustered import PRODUCTS, TOTALS
from brierlake.brier.comparison import count_carrying
from brierlake.brier.evidence import finite_or_none, has_complete_labels, is_evident, starts_after
from brierlake.brier.meaning import has_few, is_by_cluster
from brierlake.brier.pairs import SUMS
from brierlake.config import AUTO, DiagnosticsConfig
from brierlake.lakehouse.diagnostics import Figures

_CLUSTERS = ("clusters", "sum_s2", "sum_s_n", "sum_n2")


def judge_windows(
    rows: Sequence[Figures], *, trained_until: datetime | None, settings: DiagnosticsConfig
) -> list[dict[str, Any]]:
    """Return each window with the evidence up to it.

    Args:
        rows: Sums of each window, in order of time.
        trained_until: End of the training data of the later trained of the two; None: unknown, so nothing counts.
        settings: Level of the intervals.
    """
    own = [_reason(row, trained_until) for row in rows]
    counted = [place for place, reason in enumerate(own) if reason is None]
    weighed = _weigh([rows[place] for place in counted])
    benefits = _weigh_benefits([rows[place] for place in counted])
    reached, reached_by_benefits = (_reached(each, counted, len(rows)) for each in (weighed, benefits))
    judged = []
    for place, row in enumerate(rows):
        evidence = {
            **_evidence(weighed, reached[place]),
            "benefit_log_e_value": _benefit_evidence(benefits, reached_by_benefits[place]),
        }
        if own[place] is not None:
            evidence["evidence_status"] = own[place]
        estimate = _estimate([row], settings, is_by_day=False)
        benefit = {"benefit_difference": _benefit(row)}
        verdict = _verdict([row], evidence)
        judged.append({**row, **estimate, **evidence, **benefit, "grain": "window", "verdict": verdict})
    return judged


def judge_month(rows: Sequence[Figures], *, settings: DiagnosticsConfig, is_by_day: bool) -> dict[str, Any]:
    """Return a month's windows taken together: those that count, or all, marked, where none does."""
    chosen, status = _counting(rows)
    made = {**_added(chosen), **_estimate(chosen, settings, is_by_day=is_by_day)}
    return {
        **made,
        "benefit_difference": _benefit(made),
        "grain": "month",
        "evidence_status": status,
        "verdict": made["verdict"] if status == "ok" else status,
    }


def judge_all(rows: Sequence[Figures], *, settings: DiagnosticsConfig, is_by_day: bool) -> dict[str, Any]:
    """Return the pair's total over the windows that count (all, marked, where none does), and its evidence."""
    chosen, status = _counting(rows)
    complete = [row for row in rows if row["evidence_status"] not in _NEVER and row["evidence_status"] != "incomplete"]
    weighed = _weigh(complete)
    evidence = _evidence(weighed, len(weighed.lasts) - 1)
    if status != "ok":
        evidence["evidence_status"] = status
    made = {**_added(chosen), **_estimate(chosen, settings, is_by_day=is_by_day), **evidence, "grain": "all"}
    made["benefit_difference"] = _benefit(made)
    benefits = _weigh_benefits(complete)
    made["benefit_log_e_value"] = _benefit_evidence(benefits, len(benefits.lasts) - 1 if benefits else -1)
    made.update(_change(complete))
    made["n_in_sample"] = sum(row["evidence_status"] == "in_sample" for row in rows)
    return {**made, "verdict": _verdict(chosen, evidence)}


_NEVER = ("in_sample", "no_windows")
"""Reasons for which a window's rows can't tell which version is better."""


def _reason(row: Figures, trained_until: datetime | None) -> str | None:
    """Why a window is no evidence; None: it is."""
    if row["window_start"] is None:
        return "no_windows"
    if not starts_after(row["window_start"], trained_until):
        return "in_sample"
    return None if has_complete_labels(row["n"], row["n_paired"]) else "incomplete"


def _counting(rows: Sequence[Figures]) -> tuple[Sequence[Figures], str]:
    chosen = [row for row in rows if row["evidence_status"] not in _NEVER]
    return (chosen, "ok") if chosen else (rows, str(rows[0]["evidence_status"]))


def _weigh(rows: Sequence[Figures], *, name: str = "sum_d") -> Weighed:
    return weigh_windows([row[name] for row in rows], [row["n"] for row in rows], [row["sum_p"] for row in rows])


def _change(rows: Sequence[Figures]) -> dict[str, Any]:
    """Whether the difference is another one than before: a challenger that helped, and has stopped to."""
    labelled = [row for row in rows if row["n"]]
    statistic, first = detect_departure([row["sum_d"] / row["n"] for row in labelled])
    changed_on = labelled[first]["window_start"] if first is not None else None
    return {"change_statistic": float(statistic.max(initial=0.0)), "changed_on": changed_on}


def _weigh_benefits(rows: Sequence[Figures]) -> Weighed | None:
    """The same for the difference of net benefit; None: some row has none, so no decision is made."""
    if not rows or any(row.get("sum_benefit") is None for row in rows):
        return None
    return _weigh(rows, name="sum_benefit")


def _reached(weighed: Weighed | None, counted: Sequence[int], windows: int) -> list[int]:
    """Of each window the last merged one that has ended by then; -1: none has."""
    ended = {counted[int(last)]: at for at, last in enumerate(weighed.lasts)} if weighed else {}
    return list(accumulate((ended.get(place, -1) for place in range(windows)), max))


def _benefit_evidence(weighed: Weighed | None, at: int) -> float | None:
    return float(_evidence(weighed, at)["log_e_value"]) if weighed else None


def _benefit(row: Mapping[str, Any]) -> float | None:
    total = row.get("sum_benefit")
    return total / row["n"] if total is not None and row["n"] else None


def _evidence(weighed: Weighed, at: int) -> dict[str, Any]:
    """The evidence after so many merged windows, counted from 0."""
    is_ok = weighed.status == "ok" and at >= 4
    process = weighed.processes[0]
    return {
        "log_e_value": float(weighed.log_e_values[at]) if is_ok else 0.0,
        "sequence_low": finite_or_none(process.low[at]) if is_ok else None,
        "sequence_high": finite_or_none(process.high[at]) if is_ok else None,
        "n_windows": at + 1,
        "block": weighed.block,
        "evidence_status": ("ok" if is_ok else "few_windows") if weighed.status == "ok" else weighed.status,
        "mean": float(process.mean[at]) if is_ok else 0.0,
    }


def _verdict(rows: Iterable[Figures], evidence: dict[str, Any]) -> str:
    """On the challenger, by the evidence; takes the running mean out of it."""
    mean, status = evidence.pop("mean"), evidence["evidence_status"]
    if status in _NEVER:
        return str(status)
    sums = _added(rows)
    carrying = count_carrying(sums["sum_abs_d"], sums["sum_d2"])
    if is_evident(evidence["log_e_value"]):
        return "better" if mean < 0 else "worse"
    is_identical = sums["sum_d2"] == 0
    few = has_few(sums["n"], sums["n_events"], carrying=sums["n"] if is_identical else carrying, clusters=None)
    return "too_few_labels" if few or status == "few_windows" else "not_distinguishable"


def _added(rows: Iterable[Figures]) -> dict[str, Any]:
    """Disjoint sets of rows as one; what only a single window has is left out."""
    held = list(rows)
    return {
        **{name: sum(row[name] for row in held) for name in (*SUMS, *_CLUSTERS)},
        "sum_benefit": _sum_known([row.get("sum_benefit") for row in held]),
        "labels_as_of": min((row["labels_as_of"] for row in held), default=None),
    }


def _estimate(rows: Sequence[Figures], settings: DiagnosticsConfig, *, is_by_day: bool) -> dict[str, Any]:
    """The scores, their difference and its interval for one look, and what that interval says."""
    sums = _added(rows)
    n = sums["n"]
    clusters = _clusters(rows, sums, settings, is_by_day=is_by_day)
    paired = paired_difference(
        n,
        sums["sum_d"],
        sums["sum_d2"],
        n_events=sums["n_events"],
        sum_absolute=sums["sum_abs_d"] if sums["sum_d2"] else None,
        clusters=clusters,
        level=settings.level,
    )
    estimate = paired.estimate
    return {
        "brier_champion": sums["sum_champion"] / n if n else None,
        "brier_challenger": sums["sum_challenger"] / n if n else None,
        "difference": estimate.mean if estimate else None,
        "difference_se": estimate.se if estimate else None,
        "difference_low": estimate.low if estimate else None,
        "difference_high": estimate.high if estimate else None,
        "se_kind": "clustered" if clusters else "independent",
        "lags": clusters.lags if clusters else None,
        "verdict": paired.verdict,
    }


def _clusters(
    rows: Sequence[Figures], sums: Mapping[str, Any], settings: DiagnosticsConfig, *, is_by_day: bool
) -> ClusterProducts | None:
    """Totals of n and d by cluster, d in the place of s; None: rows are taken as independent."""
    if settings.cluster is None:
        return None
    if is_by_day and settings.cluster == AUTO:
        totals = [(row["n"], row["sum_d"], 0.0, 0.0, 0.0) for row in rows]
        products = add_in_order(totals)
    else:
        names = [f"sum_{name}" for name in (*TOTALS[1:], *PRODUCTS)]
        of_d = {"clusters": sums["clusters"], "n": sums["n"], "sum_s": sums["sum_d"]}
        of_d |= {name: sums[name] for name in ("sum_s2", "sum_s_n", "sum_n2")}
        products = read_products({**dict.fromkeys(names, 0.0), **of_d})
    return products if settings.cluster != AUTO or is_by_cluster(products.clusters) else None


def _sum_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
