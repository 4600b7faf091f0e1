from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from brierlake.model.bad_rows import score_rows
from brierlake.model.gaps import KnownGaps
from brierlake.model.issues import ALL_REFUSED, NO_NUMBER, OUTSIDE, TOO_MANY
from brierlake.model.outputs import NotAProbabilityError

Score = Callable[[pd.DataFrame], np.ndarray]


def frame(n: int = 10_000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"a": rng.uniform(size=n), "b": rng.uniform(size=n), "s": ["x"] * n})


class Model:
    """P = a; raises where any row is refused, as a whole batch, and counts its calls and rows."""

    def __init__(self, is_refused: Callable[[pd.DataFrame], "pd.Series[bool]"] | None = None) -> None:
        self.is_refused = is_refused
        self.calls = 0
        self.rows = 0

    def __call__(self, rows: pd.DataFrame) -> np.ndarray:
        self.calls += 1
        self.rows += len(rows)
        if self.is_refused is not None and self.is_refused(rows).any():
            message = f"bad row among {len(rows)}: 'secret' [1 2 3]"
            raise ValueError(message)
        return rows["a"].to_numpy(dtype="float64").copy()


def gappy(*columns: str) -> Callable[[pd.DataFrame], "pd.Series[bool]"]:
    return lambda rows: (rows[list(columns)].isna() | rows[list(columns)].isin([np.inf, -np.inf])).any(axis=1)


def test_a_good_batch_costs_one_call() -> None:
    model, rows = Model(), frame()
    probability, issue = score_rows(rows, score=model, known=KnownGaps())
    np.testing.assert_array_equal(probability, rows["a"])
    assert set(issue) == {""}
    assert (model.calls, model.rows) == (1, len(rows))


@pytest.mark.parametrize(
    ("value", "what"),
    [(np.nan, "null or NaN"), (np.inf, "infinite"), (-np.inf, "infinite")],
)
def test_what_the_model_refuses_costs_only_its_row(value: float, what: str) -> None:
    model, rows = Model(gappy("b")), frame()
    rows.loc[[7, 5000], "b"] = value
    probability, issue = score_rows(rows, score=model, known=KnownGaps())
    assert list(np.flatnonzero(issue != "")) == [7, 5000]
    assert set(issue[[7, 5000]]) == {f"b is {what}, and the model doesn't take that"}
    good = np.setdiff1d(np.arange(len(rows)), [7, 5000])
    np.testing.assert_array_equal(probability[good], rows["a"].to_numpy()[good])
    assert np.isnan(probability[[7, 5000]]).all()
    assert model.calls < 10


def test_missing_text_that_the_model_refuses_is_named() -> None:
    model, rows = Model(lambda each: each["s"].isna()), frame(50)
    rows.loc[3, "s"] = None
    _, issue = score_rows(rows, score=model, known=KnownGaps())
    assert issue[3] == "s is null or NaN, and the model doesn't take that"
    assert set(np.delete(issue, 3)) == {""}


def test_gaps_that_the_model_takes_are_scored_beside_those_it_refuses() -> None:
    model, rows = Model(gappy("b")), frame().assign(c=1.0)
    rows.loc[::2, "c"] = np.nan
    rows.loc[::3, "c"] = np.inf
    rows.loc[:9, "b"] = np.nan
    probability, issue = score_rows(rows, score=model, known=KnownGaps())
    np.testing.assert_array_equal(probability[10:], rows["a"][10:])
    assert set(issue[:10]) == {"b is null or NaN, and the model doesn't take that"}
    assert set(issue[10:]) == {""}


def test_what_was_learned_saves_later_batches_the_trials() -> None:
    model, rows, known = Model(gappy("b")), frame(), KnownGaps()
    rows.loc[7, "b"] = np.nan
    score_rows(rows, score=model, known=known)
    before = model.calls
    _, issue = score_rows(rows, score=model, known=known)
    assert model.calls == before + 1
    assert list(np.flatnonzero(issue != "")) == [7]


def test_a_batch_whose_rows_all_have_gaps_is_told_apart_too() -> None:
    model, rows = Model(gappy("b")), frame(1000).assign(c=np.nan)
    rows["s"] = None
    rows.loc[::2, "b"] = np.nan
    probability, issue = score_rows(rows, score=model, known=KnownGaps())
    np.testing.assert_array_equal(probability[1::2], rows["a"][1::2])
    assert set(issue[::2]) == {"b is null or NaN, and the model doesn't take that"}
    assert model.calls < 20


def test_all_rows_with_a_refused_gap_cost_a_few_calls() -> None:
    model, rows = Model(gappy("b")), frame().assign(b=np.nan)
    _, issue = score_rows(rows, score=model, known=KnownGaps())
    assert set(issue) == {"b is null or NaN, and the model doesn't take that"}
    assert model.calls < 10
    assert model.rows < 1.5 * len(rows)


@pytest.mark.parametrize("bad", [[0], [9999], [17, 4000, 4001, 9000], list(range(5, 10_000, 100))])
def test_rows_that_make_the_model_raise_are_found(bad: list[int]) -> None:
    rows = frame()
    rows.loc[bad, "s"] = "q"
    probability, issue = score_rows(rows, score=Model(lambda each: each["s"] == "q"), known=KnownGaps())
    assert list(np.flatnonzero(issue != "")) == bad
    assert set(issue[bad]) == {"the model raises ValueError: bad row among …: … …"}
    good = np.setdiff1d(np.arange(len(rows)), bad)
    np.testing.assert_array_equal(probability[good], rows["a"].to_numpy()[good])


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 33])
@pytest.mark.parametrize("k", [0, 1, -1])
def test_small_batches_are_told_apart_too(n: int, k: int) -> None:
    rows, at = frame(n), k % n
    rows.loc[at, "s"] = "q"
    _, issue = score_rows(rows, score=Model(lambda each: each["s"] == "q"), known=KnownGaps())
    assert list(np.flatnonzero(issue != "")) == [at]


def test_a_batch_that_is_bad_throughout_costs_at_most_a_few_times_a_good_one() -> None:
    model, rows = Model(lambda each: each["a"] < 2), frame()
    probability, issue = score_rows(rows, score=model, known=KnownGaps())
    assert model.rows <= 3 * len(rows)
    assert model.calls < 40
    texts, counts = np.unique(issue.astype(str), return_counts=True)
    assert dict(zip(texts, counts, strict=True)) == {
        "the model raises ValueError: bad row among …: … …": 16,
        ALL_REFUSED: len(rows) - 16,
    }
    assert np.isnan(probability).all()


def test_what_the_budget_leaves_open_is_not_called_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brierlake.model.bad_rows.FUSE", -1.0)
    model, rows = Model(lambda each: each["s"] == "q"), frame()
    rows.loc[::2, "s"] = "q"
    probability, issue = score_rows(rows, score=model, known=KnownGaps())
    assert model.calls < 256 + len(rows) / 4 + 32
    is_bad = (rows["s"] == "q").to_numpy()
    assert set(issue[~is_bad]) == {"", TOO_MANY}
    assert set(issue[is_bad]) == {"the model raises ValueError: bad row among …: … …", TOO_MANY}
    np.testing.assert_array_equal(np.isnan(probability), issue != "")


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_each_row_is_judged_alone_whatever_the_order_of_its_batch(share: float, seed: int) -> None:
    rows = frame()
    rows.loc[np.random.default_rng(0).random(len(rows)) < share, "s"] = "q"
    is_bad = (rows["s"] == "q").to_numpy()
    order = np.random.default_rng(seed).permutation(len(rows))
    model = Model(lambda each: each["s"] == "q")
    for batch in (rows, rows.iloc[order].reset_index(drop=True), rows.sort_values("s", ignore_index=True)):
        bad = (batch["s"] == "q").to_numpy()
        probability, issue = score_rows(batch, score=model, known=KnownGaps())
        np.testing.assert_array_equal(probability[~bad], batch["a"][~bad])
        assert set(issue[bad]) == {"the model raises ValueError: bad row among …: … …"}
    assert model.calls < 3 * (len(rows) * 5 / 4 + 256 + 32)
    assert is_bad.sum() > 1000


@pytest.mark.parametrize("fuse", [-1.0, 120.0])
def test_the_order_of_a_batch_decides_nothing(fuse: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even which rows are left where most are bad, or where the time for single rows is used up."""
    monkeypatch.setattr("brierlake.model.bad_rows.FUSE", fuse)
    for refused in (lambda each: each["s"] == "q", lambda each: each["a"] < 0.999, gappy("b")):
        rows = frame(3000)
        rows.loc[::2, "s"] = "q"
        rows.loc[::3, "b"] = np.nan
        probability, issue = score_rows(rows, score=Model(refused), known=KnownGaps())
        order = np.random.default_rng(5).permutation(len(rows))
        moved = rows.iloc[order].reset_index(drop=True)
        moved_probability, moved_issue = score_rows(moved, score=Model(refused), known=KnownGaps())
        np.testing.assert_array_equal(moved_probability, probability[order])
        assert list(moved_issue) == list(issue[order])


def test_the_time_for_single_rows_is_a_workers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("brierlake.model.bad_rows.monotonic", lambda: float(next(clock)))
    rows, known = frame(), KnownGaps()
    rows.loc[::2, "s"] = "q"
    _, first = score_rows(rows, score=Model(lambda each: each["s"] == "q"), known=known)
    model = Model(lambda each: each["s"] == "q")
    _, second = score_rows(rows, score=model, known=known)
    assert known.seconds == 121
    assert TOO_MANY in first
    assert TOO_MANY in second
    assert model.calls < 256 + len(rows) / 4 + 32


def test_values_that_have_no_hash_can_be_told_apart_too() -> None:
    rows = frame(100).assign(s=[[k] for k in range(100)])
    _, issue = score_rows(rows, score=Model(lambda each: each["s"].map(lambda value: value == [7])), known=KnownGaps())
    assert list(np.flatnonzero(issue != "")) == [7]


def test_a_gap_that_the_model_takes_in_some_rows_is_judged_row_by_row() -> None:
    def refused(each: pd.DataFrame) -> "pd.Series[bool]":
        return each["b"].isna() & (each["s"] == "x")

    rows = frame(1000)
    rows.loc[rows.index % 4 > 0, "s"] = "y"
    rows.loc[:99, "b"] = np.nan
    probability, issue = score_rows(rows, score=Model(refused), known=KnownGaps())
    is_bad = refused(rows).to_numpy()
    np.testing.assert_array_equal(probability[~is_bad], rows["a"][~is_bad])
    assert set(issue[is_bad]) == {"the model raises ValueError: bad row among …: … …"}


def test_values_that_are_no_probability_become_issues() -> None:
    rows = frame(6)
    rows["a"] = [0.5, np.nan, -0.1, 1.1, 0.0, 1.0]
    probability, issue = score_rows(rows, score=Model(), known=KnownGaps())
    np.testing.assert_array_equal(probability, [0.5, np.nan, np.nan, np.nan, 0.0, 1.0])
    assert list(issue) == ["", "a is null or NaN, and the model returned no number", OUTSIDE, OUTSIDE, "", ""]


def test_a_nan_without_a_gap_is_the_models_own() -> None:
    def score(rows: pd.DataFrame) -> np.ndarray:
        return np.where(rows["b"] < 0.5, np.nan, 0.5)

    rows = frame(20)
    _, issue = score_rows(rows, score=score, known=KnownGaps())
    assert set(issue[rows["b"] < 0.5]) == {NO_NUMBER}
    assert set(issue[rows["b"] >= 0.5]) == {""}


def test_rounding_beyond_zero_and_one_is_clipped() -> None:
    rows = frame(4).assign(a=[1 + 1e-7, -1e-7, 1 + 1e-5, np.nextafter(1, 2)])
    probability, issue = score_rows(rows, score=Model(), known=KnownGaps())
    np.testing.assert_array_equal(probability, [1.0, 0.0, np.nan, 1.0])
    assert list(issue) == ["", "", OUTSIDE, ""]


def test_a_model_that_drops_rows_doesnt_shift_the_others() -> None:
    def score(rows: pd.DataFrame) -> np.ndarray:
        return rows.dropna()["a"].to_numpy()

    rows = frame(100)
    rows.loc[40, "b"] = np.nan
    probability, issue = score_rows(rows, score=score, known=KnownGaps())
    assert issue[40] == "b is null or NaN, and the model doesn't take that"
    np.testing.assert_array_equal(np.delete(probability, 40), np.delete(rows["a"].to_numpy(), 40))


def test_issues_hold_none_of_the_rows_own_values() -> None:
    def score(rows: pd.DataFrame) -> np.ndarray:
        if (rows["s"] != "x").any():
            message = f"carrier {rows['s'].iloc[0]} flew {rows['a'].iloc[0]} miles at -1.5e-3 on 2013-07-01"
            raise KeyError(message)
        return rows["a"].to_numpy()

    rows = frame(40)
    rows.loc[[3, 5], "s"] = ["Mesa Air", "Envoy"]
    _, issue = score_rows(rows, score=score, known=KnownGaps())
    assert set(issue[[3, 5]]) == {"the model raises KeyError: …"} or issue[3] == issue[5]
    assert "Mesa" not in issue[3]
    assert not any(character.isdigit() for character in issue[3])


def test_running_out_of_memory_is_no_fault_of_a_row() -> None:
    def score(rows: pd.DataFrame) -> np.ndarray:
        raise MemoryError

    with pytest.raises(MemoryError, match=r"^$"):
        score_rows(frame(10), score=score, known=KnownGaps())


def test_that_the_output_is_no_probability_is_remembered_before_all_else() -> None:
    known = KnownGaps()
    known.note(ValueError("first"))
    known.note(NotAProbabilityError("labels"))
    known.note(ValueError("last"))
    assert isinstance(known.error, NotAProbabilityError)


def test_an_empty_batch_gives_nothing() -> None:
    probability, issue = score_rows(frame(0), score=Model(), known=KnownGaps())
    assert len(probability) == len(issue) == 0
