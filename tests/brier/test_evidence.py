"""E-values and change alarms: worked values, the mixture integrated numerically, and what they promise, simulated."""

import numpy as np
import pytest
from scipy import integrate, stats

from brierlake.brier import change_statistic, detect_change, detect_departure, e_process, weigh_windows

WORKED = np.array([0.03, 0.01, -0.02, 0.04, 0, 0.02, 0.015, -0.01, 0.03, 0.025, 0.01, 0.02])
MEAN = 0.0141666667


def test_worked_e_values_and_interval() -> None:
    found = e_process(WORKED)
    expected = [
        *(1, 1.06367558, 0.88905066, 1.00838732, 1.00008034, 1.16452424),
        *(1.37454498, 1.18505194, 1.56602752, 2.11827923, 2.54993875, 3.55424322),
    ]
    assert np.exp(found.log_e_value) == pytest.approx(expected, rel=1e-8)
    assert (found.high - found.mean)[-1] == pytest.approx(0.0277511984, rel=1e-8)
    assert (found.mean - found.low)[-1] == pytest.approx(0.0277511984, rel=1e-8)
    assert found.mean[-1] == pytest.approx(MEAN, rel=1e-8)
    assert np.isinf(found.low[:2]).all()


def test_the_same_three_times_over_is_more_evidence() -> None:
    found = e_process(np.tile(WORKED, 3))
    e_value = np.exp(found.log_e_value)
    assert e_value[[19, 29, 35]] == pytest.approx([8.79081143, 121.45906498, 791.51313066], rel=1e-8)
    assert np.argmax(e_value >= 20) + 1 == 22
    assert (found.high - found.mean)[-1] == pytest.approx(0.0092661796, rel=1e-7)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_an_e_value_is_the_mixture_of_noncentral_t_over_central_t(n: int) -> None:
    x = np.random.default_rng(n).normal(0.3, 1, n)
    t = np.sqrt(n) * x.mean() / x.std(ddof=1)

    def weighted(delta: float) -> float:
        return float(stats.nct.pdf(t, n - 1, np.sqrt(n) * delta) * stats.norm.pdf(delta, scale=0.35))

    mixture = integrate.quad(weighted, -3, 3, epsabs=1e-12, limit=200)[0]
    assert np.exp(e_process(x).log_e_value[-1]) == pytest.approx(mixture / stats.t.pdf(t, n - 1), rel=1e-6)


@pytest.mark.parametrize("factor", [1e-6, -1.0, 1e6])
def test_units_and_sign_do_not_matter(factor: float) -> None:
    one, other = e_process(WORKED), e_process(WORKED * factor)
    assert other.log_e_value == pytest.approx(one.log_e_value, rel=1e-9, abs=1e-12)
    assert change_statistic(WORKED * abs(factor)) == pytest.approx(change_statistic(WORKED), rel=1e-9)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1], [0.0] * 20], ids=str)
def test_nothing_that_varies_is_no_evidence(values: list[float]) -> None:
    found = e_process(values)
    assert found.log_e_value.tolist() == [0.0] * len(values)
    assert np.isinf(found.low).all()
    assert np.isinf(found.high).all()
    assert detect_change(values).since is None


@pytest.mark.parametrize("values", [[0.1, np.nan], [np.inf], [[0.1, 0.2]]], ids=str)
def test_what_is_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite number"):
        e_process(values)
    with pytest.raises(ValueError, match="finite number"):
        change_statistic(values)


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha 1.5"):
        e_process(WORKED, alpha=1.5)
    with pytest.raises(ValueError, match="scale 0"):
        e_process(WORKED, scale=0)


def test_worked_change_statistics() -> None:
    values = np.concatenate((np.tile(WORKED - MEAN, 2), np.tile(WORKED + 0.01, 2)))
    found = change_statistic(values)
    assert found[:10].tolist() == [0.0] * 10
    expected = [0.99991880, 8.78249497, 162.20214460, 5891.93135723]
    assert found[[10, 23, 35, 47]] == pytest.approx(expected, rel=1e-7)
    assert (np.argmax(found >= 100) + 1, np.argmax(found >= 1000) + 1) == (35, 43)


def test_a_change_is_found_and_dated() -> None:
    rng = np.random.default_rng(8)
    dates = []
    for _ in range(200):
        values = rng.normal(size=100)
        values[60:] += 1
        dates.append(detect_change(values).since)
    found = [each for each in dates if each is not None]
    assert len(found) > 190
    assert 55 <= np.median(found) <= 61


def test_one_may_look_every_night() -> None:
    """Of 2,000 worlds without a difference, few are ever called by 150 looks; the interval misses few means."""
    rng = np.random.default_rng(20)
    verdicts, misses, alarms = [], [], []
    for _ in range(2000):
        values = rng.standard_t(6, size=150)
        found = e_process(values)
        verdicts.append((found.log_e_value[4:] >= np.log(20)).any())
        misses.append(((found.low > 0) | (found.high < 0)).any())
        alarms.append((change_statistic(values) >= 1000).any())
    error = np.sqrt(0.05 * 0.95 / 2000)
    assert np.mean(verdicts) <= 0.05 + 2 * error
    assert np.mean(misses) <= 0.05 + 2 * error
    assert np.mean(alarms) <= 0.1


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(21)
    nights = [
        int(np.argmax(each)) + 1
        if (each := e_process(rng.normal(0.8, 1, 150)).log_e_value >= np.log(20)).any()
        else 999
        for _ in range(300)
    ]
    assert 15 <= np.median(nights) <= 27


def test_windows_with_few_expected_events_are_merged() -> None:
    rng = np.random.default_rng(1)
    r = rng.normal(0, 0.1, 60)
    found = weigh_windows(r * 100, np.full(60, 100), np.full(60, 4.0))
    assert (found.status, found.block) == ("ok", 1)
    assert found.lasts.tolist() == list(range(2, 60, 3))
    assert found.firsts.tolist() == list(range(0, 60, 3))
    assert found.means[:, 0] == pytest.approx(r.reshape(20, 3).mean(axis=1))
    assert found.log_e_value == pytest.approx(e_process(found.means[:, 0]).log_e_value[-1])
    mirrored = weigh_windows(r * 100, np.full(60, 100), np.full(60, 96.0))
    assert mirrored.lasts.tolist() == found.lasts.tolist(), "the rarer outcome counts"


def test_windows_that_hang_together_are_merged_until_they_no_longer_do() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=300)
    for night in range(1, 300):
        noise[night] = 0.6 * noise[night - 1] + 0.8 * noise[night]
    found = weigh_windows(noise * 50, np.full(300, 50), np.full(300, 20.0))
    assert found.block > 2
    alone = weigh_windows(rng.normal(size=300) * 50, np.full(300, 50), np.full(300, 20.0))
    assert alone.block == 1


def test_a_change_of_level_is_not_taken_for_windows_that_hang_together() -> None:
    level = np.repeat([0.0, 1.0], 100) + np.random.default_rng(3).normal(size=200)
    assert weigh_windows(level * 50, np.full(200, 50), np.full(200, 20.0)).block <= 2


@pytest.mark.parametrize(
    ("means", "status"),
    [([], "no_windows"), ([0.1] * 4, "few_windows"), ([0.1] * 30, "constant"), ([0.1, 0.2, 0.1, 0.15, 0.12], "ok")],
)
def test_why_there_is_no_evidence(means: list[float], status: str) -> None:
    n = np.full(len(means), 100.0)
    found = weigh_windows(np.array(means) * n, n, n / 2)
    assert found.status == status
    assert (found.log_e_value == 0.0) == (status != "ok")


def test_the_evidence_of_two_means_is_the_mean_of_theirs() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(0.1, 0.2, (40, 2))
    found = weigh_windows(x * 100, np.full(40, 100), np.full(40, 30.0))
    each = [e_process(x[:, k]).log_e_value[-1] for k in (0, 1)]
    assert np.exp(found.log_e_value) == pytest.approx(np.exp(each).mean())


def test_a_difference_that_is_no_longer_what_it_was_is_found() -> None:
    rng = np.random.default_rng(3)
    steady = rng.normal(-0.3, 1.0, 60)
    statistic, first = detect_departure(steady)
    assert first is None
    assert statistic.shape == (60,)
    assert not statistic[:11].any()
    _, first = detect_departure(np.r_[steady, rng.normal(2.0, 1.0, 30)])
    assert first is not None
    assert 60 <= first < 85
    found = sum(detect_departure(rng.normal(-0.3, 1.0, 150))[1] is not None for _ in range(100))
    assert found <= 10  # a false alarm in 1,000 values or more, on average
    assert detect_departure([])[1] is None
    assert detect_departure([1.0])[1] is None
