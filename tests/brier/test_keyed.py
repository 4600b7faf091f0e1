from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.stats import t as student

from brierlake.brier import (
    KeyFacts,
    compute_cells,
    compute_cluster_sums,
    compute_metrics,
    compute_records,
    corp_blocks,
    diagnostics,
    display_bins,
    jensen_shannon_divergence,
    merge_cells,
    merge_cluster_sums,
    metrics_schema,
    population_stability_index,
    read_products,
    tally_rows,
)
from brierlake.schemas import METRIC_FIELDS, RELIABILITY_FIELDS

BY = ["job", "day", "version"]


def close(value: Any, expected: Any) -> bool:
    return value == (pytest.approx(expected, rel=1e-10, abs=1e-13) if isinstance(expected, float) else expected)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 6_000
    p = np.where(rng.random(n) < 0.5, rng.beta(0.4, 4.0, n), rng.beta(20.0, 30.0, n))
    p[:20], p[20:30], p[30:90] = 0.0, 1.0, np.nan
    y = (rng.random(n) < np.nan_to_num(p) ** 1.2).astype(float)
    y[rng.random(n) < 0.2] = np.nan
    day = rng.choice(np.array(["2024-01-01", "2024-01-02", None], dtype=object), n)
    version = rng.choice(np.array([1.0, 2.0, np.nan]), n)
    return pd.DataFrame({"job": "flights", "day": day, "version": version, "probability": p, "outcome": y})


@pytest.fixture(scope="module")
def cells(spark: SparkSession, data: pd.DataFrame) -> DataFrame:
    records = data.astype(object).where(data.notna(), None).itertuples(index=False)
    schema = "job string, day string, version double, probability double, outcome double"
    rows = spark.createDataFrame([tuple(record) for record in records], schema).select(
        "job",
        F.col("day").cast("date"),
        F.col("version").cast("int"),
        "probability",
        F.col("outcome").cast("int"),
    )
    return compute_cells(rows, by=BY).cache()


def rows_of(data: pd.DataFrame, day: Any, version: Any) -> pd.DataFrame:
    same_day = data["day"].isna() if day is None else data["day"] == str(day)
    same_version = data["version"].isna() if version is None else data["version"] == version
    return data[same_day & same_version]


def test_spark_gives_the_numbers_of_numpy_for_every_key(cells: DataFrame, data: pd.DataFrame) -> None:
    computed = compute_metrics(cells, by=BY).collect()
    assert len({(row.day, row.version) for row in computed}) == len(computed) == 9
    assert any(row.day is None and row.version is None for row in computed)
    for row in computed:
        own = rows_of(data, row.day, row.version)
        expected = diagnostics(own["probability"], own["outcome"]).model_dump()
        assert {name: row[name] for name, value in expected.items() if not close(row[name], value)} == {}
        tally = tally_rows(own["probability"], own["outcome"])
        for found, wanted in ((row.bins, display_bins(tally)), (row.blocks, corp_blocks(tally))):
            assert len(found) == len(wanted)
            for one, other in zip(found, wanted, strict=True):
                assert all(close(one[name], value) for name, value in vars(other).items())


def test_columns_are_those_declared(cells: DataFrame) -> None:
    schema = compute_metrics(cells, by=BY).schema
    assert schema.fieldNames() == [*BY, *METRIC_FIELDS.fieldNames(), "bins", "blocks"]
    assert schema["version"].dataType == cells.schema["version"].dataType
    assert schema["bins"].dataType.elementType == RELIABILITY_FIELDS


def test_reference_cells_count_for_drift_alone(cells: DataFrame, data: pd.DataFrame) -> None:
    by_version = merge_cells(cells, by=["version"])
    own = by_version.withColumn("is_reference", F.lit(False))
    served = [F.lit(2), F.lit(99)]
    references = [
        by_version.filter("version = 1").withColumn("version", key).withColumn("is_reference", F.lit(True))
        for key in served
    ]
    computed = compute_metrics(own.unionByName(references[0]).unionByName(references[1]), by=["version"])
    metrics = {row.version: row for row in computed.collect()}

    assert set(metrics) == {1, 2, None}
    first, second = (data[data["version"] == version] for version in (1, 2))
    tally, reference = (tally_rows(rows["probability"], rows["outcome"]) for rows in (second, first))
    assert metrics[2].drift_psi == pytest.approx(population_stability_index(tally, reference), rel=1e-12)
    assert metrics[2].drift_js == pytest.approx(jensen_shannon_divergence(tally, reference), rel=1e-12)
    assert metrics[2].n_rows == len(second)
    assert metrics[2].brier == pytest.approx(diagnostics(second["probability"], second["outcome"]).brier, rel=1e-12)
    assert metrics[1].drift_psi is None
    assert metrics[1].drift_js is None


def test_bands_where_they_are_wanted_and_the_same_each_time(cells: DataFrame) -> None:
    wanted = merge_cells(cells, by=["version"]).withColumn("has_bands", F.coalesce(F.col("version") == 1, F.lit(False)))
    first, second = (
        {row.version: row.blocks for row in compute_metrics(frame, by=["version"]).collect()}
        for frame in (wanted, wanted.repartition(3))
    )
    assert all(block.band_low <= block.band_high for block in first[1])
    assert all(block.band_low is None for version in (2, None) for block in first[version])
    assert [block.band_low for block in first[1]] == [block.band_low for block in second[1]]


def test_all_keys_in_one(cells: DataFrame, data: pd.DataFrame) -> None:
    (whole,) = compute_metrics(cells, by=[]).collect()
    expected = diagnostics(data["probability"], data["outcome"]).model_dump()
    assert {name: whole[name] for name, value in expected.items() if not close(whole[name], value)} == {}


def test_no_cells_no_rows(cells: DataFrame) -> None:
    assert compute_metrics(cells.limit(0), by=BY).collect() == []


def test_level_is_checked_before_anything_runs(cells: DataFrame) -> None:
    with pytest.raises(ValueError, match="level 95 must lie between 0 and 1"):
        compute_metrics(cells, by=BY, level=95)


def test_few_keys_on_the_driver_give_the_same_rows(cells: DataFrame) -> None:
    flagged = merge_cells(cells, by=BY).withColumns(
        {"is_reference": F.lit(False), "has_bands": F.col("version") == F.lit(2)}
    )
    flagged = flagged.withColumn("has_bands", F.coalesce("has_bands", F.lit(False)))
    schema = metrics_schema(flagged.schema, by=BY)
    there = {(row.day, row.version): row.asDict(recursive=True) for row in compute_metrics(flagged, by=BY).collect()}
    here = {(row["day"], row["version"]): row for row in compute_records(flagged.toArrow(), by=BY)}
    assert there.keys() == here.keys()
    for key, record in here.items():
        assert list(record) == schema.fieldNames()
        scalars = {name: value for name, value in record.items() if name not in ("bins", "blocks")}
        assert {name: there[key][name] for name, value in scalars.items() if not close(there[key][name], value)} == {}
        for part in ("bins", "blocks"):
            for one, other in zip(there[key][part], record[part], strict=True):
                assert all(close(one[name], value) for name, value in other.items())


@pytest.mark.parametrize("shared", [True, False])
def test_parts_and_the_whole_are_what_each_alone_would_be(cells: DataFrame, *, shared: bool) -> None:
    """Version 2 made all of the 1st: its row is the whole's, computed once where what is known of both is one object."""
    known = cells.where("day IS NOT NULL AND version IS NOT NULL AND NOT (day = DATE'2024-01-01' AND version = 1)")
    flagged = known.withColumn("has_bands", F.lit(True))
    parts = {(row["version"], row["day"]): row for row in compute_records(known.toArrow(), by=["version", "day"])}
    days = merge_cells(known, by=["day"]).withColumn("has_bands", F.lit(True)).toArrow()
    wholes = {(None, row["day"]): row for row in compute_records(days, by=["day"])}
    first = date(2024, 1, 1)
    facts = {(None, first): KeyFacts(reference_rate=0.25)}
    facts[2, first] = facts[None, first] if shared else KeyFacts(reference_rate=0.5)
    told = {"by": ["day"], "parts": ["version"], "facts": facts}
    here = {(row["version"], row["day"]): row for row in compute_records(flagged.toArrow(), **told)}
    there = {(row.version, row.day): row.asDict(recursive=True) for row in compute_metrics(flagged, **told).collect()}
    assert (
        here.keys()
        == there.keys()
        == {*parts, *wholes}
        == {(2, first), *((each, date(2024, 1, 2)) for each in (1, 2)), *wholes}
    )
    for key, expected in {**parts, **wholes}.items():
        for found in (here[key], there[key]):
            own = {name: value for name, value in expected.items() if name not in ("version", "bins", "blocks")}
            own = {name: value for name, value in own.items() if not name.startswith(("reference_", "skill"))}
            assert {name: found[name] for name, value in own.items() if not close(found[name], value)} == {}
            for name in ("bins", "blocks"):
                for one, other in zip(found[name], expected[name], strict=True):
                    assert all(close(one[field], value) for field, value in other.items())
    assert here[2, first]["reference_rate"] == (0.25 if shared else 0.5)
    assert here[2, first]["blocks"][0]["band_low"] is None
    assert here[None, first]["blocks"][0]["band_low"] is not None


def test_clustered_errors_are_those_of_numpy(spark: SparkSession) -> None:
    rng = np.random.default_rng(7)
    game = np.repeat(np.arange(60), rng.integers(5, 40, 60))
    p = np.clip(rng.beta(2, 2, 60)[game] + rng.normal(0, 0.05, len(game)), 0, 1)
    y = np.where(rng.random(len(game)) < 0.1, np.nan, rng.random(60)[game] < 0.5)
    frame = pd.DataFrame({"half": game % 2, "game": game, "probability": p, "outcome": y})
    rows = spark.createDataFrame(frame).withColumn("outcome", F.nanvl("outcome", F.lit(None)).cast("int")).cache()
    by_half = compute_cluster_sums(compute_cells(rows, by=["half", "game"]), by=["half"], cluster="game")
    sums = merge_cluster_sums(by_half.drop("half"), by=[]).first().asDict()
    cells = compute_cells(rows, by=[]).withColumn("half", F.lit(1)).toArrow()
    facts = {(1,): KeyFacts(clusters=read_products(sums))}
    metrics = compute_records(cells, by=["half"], facts=facts)[0]
    known = ~np.isnan(y)
    residual = (p - y)[known] ** 2
    brier = residual.mean()
    total = np.bincount(game[known], residual - brier, minlength=60)
    g, size = len(np.unique(game[known])), np.bincount(game[known], minlength=60)
    e = size.sum() ** 2 / (size @ size)
    se = np.sqrt(e / (e - 1) * total @ total) / known.sum()
    assert (metrics["se_kind"], metrics["n_clusters"]) == ("clustered", g)
    assert metrics["brier_se"] == pytest.approx(se, rel=1e-9)
    assert metrics["brier_high"] - metrics["brier_low"] == pytest.approx(2 * student.ppf(0.975, e - 1) * se, rel=1e-9)
    assert metrics["brier_se"] > 1.5 * diagnostics(p, y).brier_se
