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


@pytest.mark.parametrize(("cell", "steps", "batch"), [("gru", 3, 1), ("rnn", 1, 3)])
def test_auto_takes_torchs_kernels_for_a_step_or_two_of_many_units(
    cell: str, steps: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = count_runs(monkeypatch)
    many = make_tensors(cell, steps, batch, features=2, hidden=512)
    run_operator(cell, many)
    run_operator(cell, make_tensors(cell, steps, batch))
    run_operator(cell, many, resets=torch.zeros(steps, batch, dtype=torch.bool))
    run_operator(cell, make_tensors(cell, steps, 4, features=2, hidden=512))
    has_core = (cell, "cpu") in RUNS
    core, rest = ("cpu", "cpu") if has_core else ("torch", "reference")
    assert ran == ["torch", core, rest, core]


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
