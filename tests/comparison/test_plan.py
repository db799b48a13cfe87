import json
from dataclasses import asdict

from gatewise.comparison.plan import Plan

BASELINES = ("last", "seasonal", "linear")


def plan(**changes):
    values = {"task": "forecast", "cells": ("lstm", "gru"), "baselines": BASELINES}
    values |= {"hidden": {"lstm": 3, "gru": 3}, "match": "units", "folds": 2, "seeds": 2}
    values |= {"seed": 0, "search": 0, "steps": 3, "metrics": {"mae": "MAE"}, "metric": "mae"}
    values |= {"in_time": True, "margin": 0.01, "threads": 1, "device": "cpu"}
    return Plan(**{**values, **changes})


def test_trials_are_every_cell_fold_and_seed_and_each_baseline_once_a_fold():
    names = [trial.name for trial in plan().trials()]
    assert len(names) == len(set(names)) == 2 * (2 * 2 + len(BASELINES))
    assert {"lstm-f0-s0", "gru-f1-s1", "seasonal-f1-s0"} <= set(names)
    assert "seasonal-f1-s1" not in names


def test_plan_comes_back_from_its_json():
    assert Plan.from_json(json.loads(json.dumps(asdict(plan())))) == plan()
