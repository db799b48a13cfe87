from collections.abc import Callable
from dataclasses import asdict
from json import dumps

import numpy as np
import pytest

from gatewise.comparison.statistics import PairedTest, correct_tests, paired_test
from gatewise.comparison.verdict import Baseline, Cell, Verdict, cheaper, decide, percent

RUNS = 2_000
SHARES = (0.0, 0.5, 0.9)
MAX_FALSE_ALARMS = 0.065
MIN_FOUND = 0.9
RATIOS = np.linspace(0.08, 0.05, 5)  # n_test / n_train of five folds whose training part grows

LSTM = Cell("lstm", 1.0, 16_000, 13.0)
GRU = Cell("gru", 1.0, 15_900, 10.0)
RNN = Cell("rnn", 1.0, 16_100, 12.0)
SEASONAL = Baseline("seasonal", "seasonal (168 steps back)", best=True)
LAST = Baseline("last", "last value")


def made_up(a, b, difference, low=None, high=None, p=0.5, detectable=0.08, folds=5):
    if low is None:
        return PairedTest(a, b, folds, difference)
    return PairedTest(a, b, folds, difference, low, high, p, p, detectable, 0.01)


def equal(a, b):
    return made_up(a, b, 0.002, -0.004, 0.008)


def better(a, b, by=0.041):
    return made_up(a, b, -by, -by - 0.021, -by + 0.021, p=0.001)


def undecided(a, b):
    return made_up(a, b, -0.02, -0.06, 0.02, p=0.3)


def untested(a, b):
    return made_up(a, b, -0.021, folds=3)


def run(headline, *others, cells=(LSTM, GRU), baselines=()):
    return decide([headline, *others], cells, baselines)


def test_interval_inside_the_margin_is_equal():
    verdict = run(equal("lstm", "gru"))
    assert (verdict.kind, verdict.winner) == ("equal", None)
    assert verdict.sentence == "LSTM and GRU are equal within 1 %."
    assert verdict.practical == "Take the GRU: it trains 1.3 times faster."
    assert verdict.take == "gru"


def test_equal_comes_before_better():
    verdict = run(made_up("lstm", "gru", -0.005, -0.009, -0.001, p=0.001))
    assert verdict.kind == "equal"


def test_margin_decides_what_is_equal():
    test = made_up("lstm", "gru", -0.005, -0.009, -0.001, p=0.001)
    verdict = decide([test], (LSTM, GRU), margin=0.005)
    assert (verdict.kind, verdict.winner, verdict.margin) == ("better", "lstm", 0.005)
    verdict = decide([equal("lstm", "gru")], (LSTM, GRU), margin=0.025)
    assert verdict.sentence == "LSTM and GRU are equal within 2.5 %."


@pytest.mark.parametrize(
    "test", [better("lstm", "gru"), made_up("gru", "lstm", 0.041, 0.02, 0.062, 0.001)]
)
def test_better_names_the_winner_in_either_order(test):
    verdict = run(test)
    assert (verdict.kind, verdict.winner, verdict.take) == ("better", "lstm", "lstm")
    assert verdict.sentence == "LSTM is better than GRU by 4.1 % (95 % interval 2.0 to 6.2 %)."
    assert verdict.practical == "Take the LSTM."


def test_undecided_says_what_could_have_been_shown():
    verdict = run(undecided("lstm", "gru"))
    assert (verdict.kind, verdict.winner, verdict.take) == ("undecided", None, "gru")
    assert verdict.sentence == (
        "LSTM or GRU is not decided: this run could have shown a difference of 8.0 % or more."
    )


def test_undecided_never_claims_more_than_the_largest_difference():
    verdict = run(made_up("lstm", "gru", -0.2, -1.9, 1.5, detectable=2.89))
    assert verdict.sentence == (
        "LSTM or GRU is not decided: the folds are too unlike for this run to show a difference "
        "of any size."
    )


def test_corrected_p_decides_and_not_the_plain_one():
    test = PairedTest("lstm", "gru", 5, -0.04, -0.07, -0.01, 0.03, 0.06, 0.05, 0.01)
    assert run(test).kind == "undecided"


def test_too_few_folds_say_how_to_get_a_test():
    verdict = run(untested("lstm", "gru"))
    assert (verdict.kind, verdict.winner) == ("untested", None)
    assert verdict.sentence == (
        "The error of LSTM is 2.1 % smaller than that of GRU. This may be chance: a test takes at "
        "least 4 folds, and this run had 3. Run again with --folds 5."
    )


def test_three_cells_put_lstm_against_gru_first():
    tests = [better("gru", "rnn"), equal("lstm", "gru"), undecided("lstm", "rnn")]
    verdict = decide(tests, (RNN, LSTM, GRU))
    assert verdict.kind == "equal"
    assert verdict.sentence.startswith(
        "LSTM and GRU are equal within 1 %. GRU is better than RNN by"
    )
    assert "LSTM or RNN is not decided" in verdict.sentence
    assert verdict.take == "gru"


def test_third_cell_is_taken_when_it_is_better():
    tests = [equal("lstm", "gru"), better("rnn", "gru"), better("rnn", "lstm")]
    verdict = decide(tests, (LSTM, GRU, RNN))
    assert (verdict.take, verdict.practical) == ("rnn", "Take the RNN: it is better than the GRU.")


def test_without_lstm_and_gru_both_the_best_two_are_judged():
    verdict = decide([better("rnn", "gru")], (GRU, RNN))
    assert (verdict.kind, verdict.winner) == ("better", "rnn")


def test_single_cell_is_judged_against_the_best_baseline():
    verdict = run(better("seasonal", "lstm"), cells=(LSTM,), baselines=(SEASONAL,))
    assert (verdict.winner, verdict.take) == ("seasonal", "lstm")
    assert verdict.sentence.startswith("seasonal (168 steps back) is better than LSTM by 4.1 %")
    assert verdict.practical.startswith("The LSTM does not beat the best baseline")


def test_single_cell_without_baseline_has_nothing_to_compare():
    verdict = decide([], (LSTM,))
    assert (verdict.kind, verdict.take) == ("untested", "lstm")
    assert verdict.sentence == "Only the LSTM was trained: there is nothing to compare."


@pytest.mark.parametrize(
    ("first", "second", "name", "reason"),
    [
        (Cell("lstm", 1, 10, 26.0), Cell("gru", 2, 20, 20.0), "gru", "it trains 1.3 times faster"),
        (Cell("lstm", 1, 10, 10.6), Cell("gru", 2, 20, 10.0), "gru", "it trains 1.06 times faster"),
        (Cell("lstm", 1, 10, 10.0), Cell("gru", 2, 20, 260.0), "lstm", "it trains 26 times faster"),
        (
            Cell("lstm", 1, 16_640, 10.4),
            Cell("gru", 2, 12_480, 10.0),
            "gru",
            "it is smaller (12,480 parameters against 16,640) and trains as fast",
        ),
        (
            Cell("lstm", 1, 12_480),
            Cell("gru", 2, 16_640, 10.0),
            "lstm",
            "it is smaller (12,480 parameters against 16,640)",
        ),
        (Cell("lstm", 2, 10, 10.0), Cell("gru", 1, 10, 10.0), "gru", "its mean error is smaller"),
    ],
)
def test_cheaper_prefers_speed_then_size_then_error(first, second, name, reason):
    for pair in [(first, second), (second, first)]:
        cell, why = cheaper(*pair)
        assert (cell.name, why) == (name, reason)


BASELINE_CASES = {
    "beaten": (
        [better("lstm", "seasonal", 0.12), better("gru", "seasonal", 0.12)],
        "Take the GRU: it trains 1.3 times faster. It beats the best baseline, "
        "seasonal (168 steps back), by 12 % (95 % interval 9.9 to 14 %).",
    ),
    "better than both": (
        [better("seasonal", "lstm", 0.05), better("seasonal", "gru", 0.05)],
        "Neither cell beats the best baseline, seasonal (168 steps back), which is better than the "
        "GRU by 5.0 % (95 % interval 2.9 to 7.1 %). If it is to be a cell, take the GRU: it trains "
        "1.3 times faster.",
    ),
    "better than the one taken": (
        [undecided("lstm", "seasonal"), better("seasonal", "gru", 0.05)],
        "Neither cell is shown to beat the best baseline, seasonal (168 steps back), which is "
        "better than the GRU by 5.0 % (95 % interval 2.9 to 7.1 %). If it is to be a cell, take "
        "the GRU: it trains 1.3 times faster.",
    ),
    "not decided": (
        [undecided("lstm", "seasonal"), undecided("gru", "seasonal")],
        "Take the GRU: it trains 1.3 times faster. But neither cell is shown to beat the best "
        "baseline, seasonal (168 steps back): this run could have shown a difference of 8.0 % or "
        "more.",
    ),
    "beaten by the other cell": (
        [better("lstm", "seasonal"), undecided("gru", "seasonal")],
        "Take the GRU: it trains 1.3 times faster. But the GRU is not shown to beat the best "
        "baseline, seasonal (168 steps back): this run could have shown a difference of 8.0 % or "
        "more.",
    ),
    "equal": (
        [equal("lstm", "seasonal"), equal("gru", "seasonal")],
        "Take the GRU: it trains 1.3 times faster. But neither cell is shown to beat the best "
        "baseline, seasonal (168 steps back): it and the GRU are equal within 1 %.",
    ),
    "not testable": (
        [untested("lstm", "seasonal"), untested("gru", "seasonal")],
        "Take the GRU: it trains 1.3 times faster. Whether it beats the best baseline, "
        "seasonal (168 steps back), cannot be tested with so few folds.",
    ),
}


@pytest.mark.parametrize("case", BASELINE_CASES)
def test_practical_word_says_how_the_baseline_stands(case):
    against, words = BASELINE_CASES[case]
    verdict = run(equal("lstm", "gru"), *against, baselines=(LAST, SEASONAL))
    assert verdict.practical == words
    assert verdict.take == "gru"


def test_three_cells_that_lose_are_no_cell():
    tests = [equal("lstm", "gru"), equal("lstm", "rnn"), equal("gru", "rnn")]
    tests += [better("seasonal", cell) for cell in ("lstm", "gru", "rnn")]
    verdict = decide(tests, (LSTM, GRU, RNN), (SEASONAL,))
    assert verdict.practical.startswith("No cell beats the best baseline")


def test_percent_keeps_two_digits():
    shares = [0.0, 1e-9, 0.00042, 0.0035, 0.0204, 0.0996, 0.12, 1.234, -0.0041]
    shown = ["0", "0", "0.042", "0.35", "2.0", "10", "12", "123", "-0.41"]
    assert [percent(share) for share in shares] == shown


def test_verdict_goes_into_json():
    verdict = run(equal("lstm", "gru"))
    assert Verdict(**asdict(verdict)) == verdict
    dumps(asdict(verdict), allow_nan=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], ()), "train at least one of lstm, gru, rnn"),
        (([], (LSTM, GRU)), "no test of lstm against gru; the tests made are: none"),
        (([equal("lstm", "gru")], (LSTM, GRU), (SEASONAL,)), "no test of gru against seasonal"),
        (([], (LSTM,), (SEASONAL, SEASONAL)), "only one baseline can be the best"),
        (([equal("lstm", "gru")], (LSTM, GRU), (), -1), "margin >= 0"),
        (([equal("lstm", "gru")], (LSTM, GRU), (), 0.01, 1.5), "0 < alpha < 1"),
    ],
)
def test_bad_input_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        decide(*arguments)


def simulate(rng: np.random.Generator, share: float, effect: float) -> tuple[np.ndarray, ...]:
    """Errors of LSTM, GRU (runs, folds, 2 seeds) and one baseline (runs, folds, 1 seed).

    The relative difference of LSTM and GRU, for one fold and one seed of each, has the mean
    −effect and the standard deviation 3 %: ``share`` of this variance lies between folds (both
    seeds of a fold share it), the rest between seeds. Each cell brings half of both parts. The
    baseline is 15 % worse than the middle of the two, with the same part between folds and no
    seeds. Folds differ in difficulty, which all models share.
    """
    between = np.sqrt(share / 2) * 0.03
    within = np.sqrt((1 - share) / 2) * 0.03
    difficulty = np.exp(rng.normal(0, 0.3, (RUNS, 5, 1)))
    models = []
    for level, seeds in ((1 - effect / 2, 2), (1 + effect / 2, 2), (1.15, 1)):
        fold_part = rng.normal(0, between, (RUNS, 5, 1))
        seed_part = rng.normal(0, within, (RUNS, 5, seeds)) * (seeds > 1)
        models.append(level * difficulty * (1 + fold_part + seed_part))
    return tuple(models)


def judge(lstm: np.ndarray, gru: np.ndarray, baseline: np.ndarray) -> str | None:
    """The winner of one simulated run: three tests, corrected, then the verdict."""
    tests = [
        paired_test("lstm", "gru", lstm, gru, RATIOS),
        paired_test("lstm", "seasonal", lstm, baseline, RATIOS),
        paired_test("gru", "seasonal", gru, baseline, RATIOS),
    ]
    return decide(correct_tests(tests), (LSTM, GRU), (SEASONAL,)).winner


def judge_naively(lstm: np.ndarray, gru: np.ndarray, baseline: np.ndarray) -> str | None:
    """The same, but every seed counts as a fold, and training data as not shared."""
    lstm, gru, baseline = lstm.reshape(-1, 1), gru.reshape(-1, 1), baseline.repeat(2, axis=0)
    tests = [
        paired_test("lstm", "gru", lstm, gru, 0.0),
        paired_test("lstm", "seasonal", lstm, baseline, 0.0),
        paired_test("gru", "seasonal", gru, baseline, 0.0),
    ]
    return decide(correct_tests(tests), (LSTM, GRU), (SEASONAL,)).winner


def winners(judge: Callable[..., str | None], share: float, effect: float) -> list[str | None]:
    rng = np.random.default_rng([int(100 * share), int(100 * effect)])
    return [judge(*models) for models in zip(*simulate(rng, share, effect), strict=True)]


def test_simulated_spread_is_as_described():
    lstm, gru, _ = simulate(np.random.default_rng(0), 0.9, 0.0)
    difference = (lstm - gru) / ((lstm + gru) / 2)  # (runs, folds, seeds)
    assert difference.std() == pytest.approx(0.03, rel=0.02)
    first, second = difference[..., 0].ravel(), difference[..., 1].ravel()
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.9, abs=0.01)


def test_simulated_runs_are_judged_right(capsys):
    rates = {}
    for share in SHARES:
        equal_models, planted = winners(judge, share, 0.0), winners(judge, share, 0.1)
        false_alarms = 1 - equal_models.count(None) / RUNS
        rates[share] = false_alarms, planted.count("lstm") / RUNS
    with capsys.disabled():
        print(f"\n{RUNS} simulated runs: between-fold share | equal called different | 10 % found")
        for share, (false_alarms, found) in rates.items():
            print(f"{share:>6.0%} | {false_alarms:>6.2%} | {found:>6.2%}")
    assert all(false_alarms <= MAX_FALSE_ALARMS for false_alarms, _ in rates.values())
    assert all(found >= MIN_FOUND for _, found in rates.values())


def test_naive_test_raises_too_many_false_alarms():
    """The bar of the simulation can be missed: the test that ignores the folds misses it."""
    false_alarms = 1 - winners(judge_naively, 0.9, 0.0).count(None) / RUNS
    assert false_alarms > 2 * MAX_FALSE_ALARMS
