from bisect import bisect_left
from fractions import Fraction

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from brierlake.brier import compute_cells
from brierlake.brier.grid import CELL_CENTRES, CELL_IDS, ONE_ID, cell_of, display_bin, is_edge, rank_of

# (first step, last step, cells per unit), in order of p; written down apart from the code
BANDS = [
    (1, 1, 10**9),
    *((11, 100, 10**power) for power in range(10, 3, -1)),
    (11, 990, 10**3),
    *((10**power - 99, 10**power - 10, 10**power) for power in range(4, 11)),
    (10**9, 10**9, 10**9),
]
# k / m of two integers is rounded correctly: the double nearest to the fraction
EDGES = [0.0] + [step / scale for first, last, scale in BANDS for step in range(first, last + 1)]
IDS = [0] + [step * (10**10 // scale) for first, last, scale in BANDS for step in range(first, last + 1)]
CENTRES = [0.0] + [(step - 0.5) / scale for first, last, scale in BANDS for step in range(first, last + 1)]


def expected_cell(p: float) -> int:
    return ONE_ID if p == 1.0 else IDS[bisect_left(EDGES, p)]


def probe_values() -> list[float]:
    edges = np.array(EDGES)
    values = [edges, np.nextafter(edges, 0.0), np.nextafter(edges, 1.0), np.array(CENTRES)]
    rng = np.random.default_rng(7)
    values += [rng.random(500), 10 ** rng.uniform(-320, 0, 500), 1 - 10 ** rng.uniform(-17, 0, 500)]
    values += [np.array([5e-324, 1e-310, 2.2250738585072014e-308, 0.1 + 0.2, 1 - 2**-53])]
    return sorted(set(np.concatenate(values).tolist()))


def test_table_of_cells_is_the_one_written_down() -> None:
    assert CELL_IDS.tolist() == [*IDS, ONE_ID]
    assert CELL_CENTRES.tolist() == [*CENTRES, 1.0]
    assert len(CELL_IDS) == 2244


def test_edges_are_the_doubles_nearest_to_exact_fractions() -> None:
    for cell_id, edge in zip(IDS[::7], EDGES[::7], strict=True):
        exact = Fraction(cell_id, 10**10)
        steps = [abs(Fraction(float(near)) - exact) for near in (np.nextafter(edge, 0), edge, np.nextafter(edge, 1))]
        assert steps[1] == min(steps)


def test_every_edge_and_its_neighbours() -> None:
    values = probe_values()
    ids, centres = cell_of(np.array(values))
    assert ids.tolist() == [expected_cell(p) for p in values]
    assert centres.tolist() == [float(CELL_CENTRES[rank]) for rank in rank_of(ids)]


def test_spark_columns_give_the_cells_and_centres_of_numpy(spark: SparkSession) -> None:
    values = probe_values()
    rows = spark.createDataFrame(
        [(index, p, 0) for index, p in enumerate(values)], "row int, probability double, outcome int"
    )
    cells = compute_cells(rows, by=["row"]).orderBy("row").select("cell_id", "sum_d").collect()
    ids, centres = cell_of(np.array(values))
    assert [cell.cell_id for cell in cells] == ids.tolist()
    assert [cell.sum_d for cell in cells] == (np.array(values) - centres).tolist()


@pytest.mark.parametrize("bins", [10, 20, 100])
def test_display_bins_are_right_closed(bins: int) -> None:
    values = probe_values()
    edges = [k / bins for k in range(1, bins + 1)]
    assert display_bin(cell_of(np.array(values))[0], bins).tolist() == [bisect_left(edges, p) for p in values]


def test_display_bin_in_integers_as_sql_would_compute_it(spark: SparkSession) -> None:
    for bins in (10, 20, 100):
        ids = spark.createDataFrame([(cell_id,) for cell_id in CELL_IDS.tolist()], "id long")
        sql = f"if(id = 0, 0, (least(id, 10000000000) * {bins} + 9999999999) div 10000000000 - 1)"
        assert [row[0] for row in ids.select(F.expr(sql)).collect()] == display_bin(CELL_IDS, bins).tolist()


def test_bins_that_cut_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="choose 10, 20 or 100"):
        display_bin(CELL_IDS, 15)


def test_ranks_count_cells_in_order_of_probability() -> None:
    assert rank_of(CELL_IDS).tolist() == list(range(len(CELL_IDS)))


@pytest.mark.parametrize("stranger", [-1, 1, 10**7 + 1, ONE_ID + 1])
def test_a_stranger_is_no_cell(stranger: int) -> None:
    with pytest.raises(ValueError, match=f"Not cells of this grid: \\[{stranger}\\]"):
        rank_of(np.array([0, stranger]))


def test_is_edge() -> None:
    assert is_edge(np.array([0.0, 1e-9, 0.3, 0.999, 1.0])).all()
    assert not is_edge(np.array([5e-10, np.nextafter(0.3, 1), 0.3001])).any()
