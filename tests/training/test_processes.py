"""Two processes under ``torchrun`` learn what one learns."""

from pathlib import Path

import pytest
import replicas
import torch
from torchrun import torchrun

SCRIPT = Path(__file__).with_name("replicas.py")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes has come to."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(SCRIPT, folder)
    assert done.code == 0, done.err
    return [torch.load(folder / f"results-{number}") for number in (0, 1)]


@pytest.mark.parametrize("case", replicas.CASES)
def test_two_processes_learn_what_one_learns(two, case):
    module, history, _ = replicas.run(**replicas.CASES[case])
    whole = module.state_dict()
    assert not torch.equal(whole["unused"], torch.zeros(2))
    for one in two:
        for name, weights in one[case]["weights"].items():
            torch.testing.assert_close(weights, whole[name], rtol=0, atol=1e-8)
        assert one[case]["steps"] == [row["step"] for row in history]


def test_early_stop_is_the_same_in_both(two):
    assert [one["stops"]["steps"] for one in two] == [[5, 10, 15]] * 2


def test_each_process_reads_its_own_part(two):
    assert two[1]["single"]["seen"] == []
    assert two[0]["single"]["seen"] == list(range(replicas.EXAMPLES))
    assert two[1]["odd"]["seen"] == list(range(replicas.EXAMPLES))  # over several epochs


def test_ctrl_c_in_one_process_ends_both_at_the_same_step(two):
    assert [one["interrupted"] for one in two] == [{"last": 7, "told": 1}, {"last": 7, "told": 0}]


def test_nan_in_one_process_ends_both(two):
    for one in two:
        assert one["failed"].startswith("the loss became nan at step 1 of 4")


def test_two_processes_go_on_from_their_checkpoint(two):
    for one in two:
        for name, weights in one["gone on"].items():
            assert torch.equal(weights, one["odd"]["weights"][name])
