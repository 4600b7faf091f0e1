"""Best first, with the reason for each place: no registry is asked here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from brierlake.config import ModelConfig
from brierlake.registry.records import Candidate
from brierlake.registry.values import Measure


def rank_measures(
    measures: Sequence[Measure], config: ModelConfig, *, refused: Mapping[str, str] | None = None
) -> tuple[Candidate, ...]:
    """Ranks by value, then name, then highest version; of copies of one origin the first counts.

    Args:
        measures: Versions and their values.
        config: Metric and direction.
        refused: Origin to the reason why its files can't be used.

    Returns:
        The eligible best first, none of them selected; then the others by name and number.
    """
    refusals = refused or {}
    sign = -1.0 if config.direction == "max" else 1.0

    def place(measure: Measure) -> tuple[float, str, int]:
        value = measure.finding.value
        return (sign * (0.0 if value is None else value), measure.version.name, -measure.version.number)

    faults = {each.version.label: each.finding.fault or refusals.get(each.version.origin) for each in measures}
    first: dict[str, Measure] = {}
    for measure in sorted((each for each in measures if faults[each.version.label] is None), key=place):
        kept = first.setdefault(measure.version.origin, measure)
        if kept is not measure:
            faults[measure.version.label] = f"copy of {kept.version.label}"
    counts = Counter(each.finding.value for each in first.values())
    best = [
        _candidate(each, config, rank=rank, fault=None, is_tied=counts[each.finding.value] > 1)
        for rank, each in enumerate(first.values(), start=1)
    ]
    others = sorted(
        (each for each in measures if faults[each.version.label] is not None),
        key=lambda each: (each.version.name, -each.version.number),
    )
    return (*best, *(_candidate(each, config, rank=None, fault=faults[each.version.label]) for each in others))


def _candidate(
    measure: Measure, config: ModelConfig, *, rank: int | None, fault: str | None, is_tied: bool = False
) -> Candidate:
    version, finding = measure.version, measure.finding
    return Candidate(
        rank=rank,
        model_name=version.name,
        model_version=version.number,
        run_id=version.run_id,
        source=version.source,
        metric_name=config.metric,
        value=None if finding.value is None or finding.value != finding.value else finding.value,
        step=finding.point.step if finding.point else None,
        logged_at=datetime.fromtimestamp(finding.point.timestamp / 1000, tz=UTC) if finding.point else None,
        value_source=finding.value_source,
        is_eligible=fault is None,
        reason=fault,
        is_selected=False,
        is_tied=is_tied,
    )
