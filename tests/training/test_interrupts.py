import multiprocessing
import signal
import threading

import pytest

from gatewise.training import interrupts
from gatewise.training.interrupts import Interrupts


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_first_ctrl_c_is_noted_and_a_second_raises(monkeypatch):
    clock = [5.0]
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: clock[0])
    with Interrupts(True) as noted:
        assert not noted.noted
        press_ctrl_c()
        assert noted.noted
        clock[0] += 0.4  # torchrun passes on what the terminal has sent already
        press_ctrl_c()
        clock[0] += 0.2
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()


def test_ctrl_c_raises_where_it_is_not_wanted():
    with Interrupts(False) as noted, pytest.raises(KeyboardInterrupt):
        press_ctrl_c()
    assert not noted.noted


def test_a_programs_own_handler_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with Interrupts(True) as noted:
            press_ctrl_c()
        assert (seen, noted.noted) == ([1], False)
    finally:
        signal.signal(signal.SIGINT, before)


def test_worker_processes_keep_their_handler(monkeypatch):
    """A trial that is stopped half-way must not be taken for a whole one."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "a parent")
    with Interrupts(True), pytest.raises(KeyboardInterrupt):
        press_ctrl_c()


def test_other_threads_can_train():
    entered = []

    def enter():
        with Interrupts(True):
            entered.append(1)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [1]
