"""Which backend runs, and what is said when none can."""

from typing import Any

import pytest
import torch
from sequence_cases import FORMS, OPERATORS, RUNS, make_tensors, run_operator

from gatewise import ops
from gatewise.ops import dispatch


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the name of every backend that runs."""
    ran: list[str] = []

    def noting(backend: dispatch.Backend) -> dispatch.Backend:
        def run(call: ops.Call) -> ops.call.Result:
            ran.append(backend.name)
            return backend.run(call)

        return backend._replace(run=run)

    monkeypatch.setattr(dispatch, "BACKENDS", tuple(noting(b) for b in dispatch.BACKENDS))
    return ran


@pytest.mark.parametrize(("form", "backend"), RUNS)
def test_forced_backend_is_the_one_that_runs(
    form: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = count_runs(monkeypatch)
    run_operator(form, make_tensors(form, 3, 2), backend=backend)
    assert ran == [backend]


@pytest.mark.parametrize("form", FORMS)
def test_auto_takes_the_fastest_that_can(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = count_runs(monkeypatch)
    tensors = make_tensors(form, 8, 2)
    run_operator(form, tensors)
    run_operator(form, tensors, resets=torch.zeros(8, 2, dtype=torch.bool))
    run_operator(form, make_tensors(form, 0, 2))
    run_operator(form, make_tensors(form, 8, 0))
    has_core = (form, "cpu") in RUNS
    first = "cpu" if has_core else "torch" if (form, "torch") in RUNS else "reference"
    rest = "cpu" if has_core else "reference"
    assert ran == [first, rest, rest, rest]


def test_auto_takes_torchs_dense_lstm_where_the_core_is_slower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = count_runs(monkeypatch)
    small, large = (make_tensors("lstm", 8, b, dtype=torch.float32) for b in (2, 16))
    run_operator("lstm", small)
    with torch.no_grad():
        run_operator("lstm", small)
        run_operator("lstm", large)
        run_operator("lstm", small, lengths=torch.tensor([8, 1]))
    core = "cpu" if ("lstm", "cpu") in RUNS else "torch"
    assert ran == [core, "torch", core, core if core == "cpu" else "reference"]


def test_auto_takes_torchs_kernels_for_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = count_runs(monkeypatch)
    for steps, batch in ((7, 5), (8, 1)):
        run_operator("gru", make_tensors("gru", steps, batch))
        run_operator("gru-zoneout", make_tensors("gru-zoneout", steps, batch))
    has_core = ("gru", "cpu") in RUNS
    rest = "cpu" if has_core else "reference"
    assert ran == ["torch", rest, "cpu" if has_core else "torch", rest]


@pytest.mark.parametrize(
    ("form", "shape", "resets", "words"),
    [
        ("lstm-identity", (3, 2), None, "output_activation"),
        ("gru-reset-before", (3, 2), None, "reset_after=True"),
        ("lstm", (3, 2), torch.ones(3, 2, dtype=torch.bool), "reset the state"),
        ("gru", (0, 2), None, "T = 0"),
        ("rnn", (3, 0), None, "B = 0"),
    ],
)
def test_forced_backend_that_cannot_is_refused(
    form: str, shape: tuple[int, int], resets: torch.Tensor | None, words: str
) -> None:
    tensors = make_tensors(form, *shape)
    with pytest.raises(ops.BackendError) as caught:
        run_operator(form, tensors, resets=resets, backend="torch")
    message = str(caught.value)
    assert words in message
    able = ["cpu", "reference"] if (form, "cpu") in RUNS else ["reference"]
    assert f"Backends that can: {', '.join(map(repr, able))};" in message
    assert isinstance(caught.value, ValueError)


def test_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ops.BackendError, match=r"no backend 'cuda'.*'auto', 'cpu', 'torch', 'reference'"
    ):
        run_operator("lstm", make_tensors("lstm", 3, 2), backend="cuda")


def test_seed_is_refused_while_nothing_is_drawn() -> None:
    tensors = make_tensors("gru", 3, 2)
    arguments: list[Any] = [tensors[k] for k in ("x", "h_0", "w_ih", "w_hh", "b_ih", "b_hh")]
    arguments += [ops.Extras(), None, None, torch.tensor(1), ops.GRUOptions()]
    with pytest.raises(ValueError, match="seed=None"):
        ops.gru(*arguments)


@pytest.mark.parametrize(
    ("cell", "option"),
    [("lstm", "output_activation"), ("gru", "reset_after"), ("rnn", "nonlinearity")],
)
def test_unknown_option_is_refused_by_name(cell: str, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be one of .*; got 'softsign'"):
        ops.OPTIONS[cell](**{option: "softsign"})


def test_every_cell_has_an_operator_in_the_package() -> None:
    assert {name: getattr(ops, name) for name in OPERATORS} == OPERATORS
