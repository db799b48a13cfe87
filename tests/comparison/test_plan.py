from gatewise.comparison.plan import BASELINES, Plan


def plan(**changes):
    values = {"horizon": 2, "lookback": 4, "segment": 1, "cells": ("lstm", "gru"), "match": "units"}
    values |= {
        "hidden": {"lstm": 3, "gru": 3},
        "folds": 2,
        "seeds": 2,
        "seed": 0,
        "search": 0,
        "steps": 3,
    }
    values |= {"metric": "mae", "margin": 0.01, "stride": 1, "threads": 1, "device": "cpu"}
    return Plan(**{**values, **changes})


def test_trials_are_every_cell_fold_and_seed_and_each_baseline_once_a_fold():
    names = [trial.name for trial in plan().trials()]
    assert len(names) == len(set(names)) == 2 * (2 * 2 + len(BASELINES))
    assert {"lstm-f0-s0", "gru-f1-s1", "seasonal-f1-s0"} <= set(names)
    assert "seasonal-f1-s1" not in names
