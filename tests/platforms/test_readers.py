"""The gold tables as other tools read them: delta-rs, Polars, DuckDB."""

from pathlib import Path

import pytest

from tests.world import World

deltalake = pytest.importorskip("deltalake", reason="needs the extra `bench`")
duckdb = pytest.importorskip("duckdb", reason="needs the extra `bench`")
polars = pytest.importorskip("polars", reason="needs the extra `bench`")


def test_others_read_each_gold_table_as_spark_does(published_once: World) -> None:
    gold = Path(published_once.folder) / "lake" / "gold"
    names = sorted(each.parent.name for each in gold.glob("*/_delta_log"))
    assert {"predictions", "brier_metrics", "brier_reliability", "brier_cells", "candidates", "runs"} <= set(names)
    for name in names:
        expected = published_once.read(name)
        table = deltalake.DeltaTable(str(gold / name))
        assert table.protocol().min_reader_version == 1
        arrow = table.to_pyarrow_table()
        assert (arrow.num_rows, sorted(arrow.column_names)) == (len(expected), sorted(expected.columns))
        assert polars.scan_delta(str(gold / name)).select(polars.len()).collect().item() == len(expected)
        assert duckdb.arrow(arrow).count("*").fetchall()[0][0] == len(expected)
        files = duckdb.sql(f"SELECT count(*) FROM read_parquet({table.file_uris()!r})").fetchall()
        assert files[0][0] == len(expected)
    here = published_once.read("predictions")["probability"].sort_values().tolist()
    there = polars.read_delta(str(gold / "predictions"))["probability"].sort().to_list()
    assert there == here
