import pytest

from gatewise.training.progress import progress_bar


def test_bar_shows_what_the_last_step_came_to(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("LSTM", True) as on_step:
        on_step(3, 10, "epoch 1 of 4, loss 0.5000")
    shown = capfd.readouterr().err
    assert "LSTM" in shown
    assert "3/10" in shown
    assert "epoch 1 of 4, loss 0.5000" in shown


@pytest.mark.parametrize(("show", "number"), [(False, "0"), (None, "0"), (True, "1")])
def test_bar_is_quiet_where_nobody_looks(show, number, monkeypatch, capfd):
    monkeypatch.setenv("RANK", number)
    with progress_bar("LSTM", show) as on_step:
        assert on_step is None
    assert capfd.readouterr().err == ""
