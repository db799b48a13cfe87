"""What the capabilities are tried on: layers and cells, ours in every form and torch's own."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import gatewise
from gatewise.ops.cases import FORMS

FEATURES, UNITS, STEPS, BATCH = 3, 5, 4, 3
TWOFOLD: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
_NO_OPTIONS_OF_A_STEP = {"proj_size", "recurrent_dropout"}
_OFTEN = ("lstm-everything", "gru")
COLUMNS = ("gatewise layers", "gatewise cells", "torch.nn layers", "torch.nn cells")


class Subject(NamedTuple):
    """A kind of module.

    Attributes:
        form: a name of ``FORMS``; of torch's own, lstm, gru or rnn.
        column: one of ``COLUMNS``.
    """

    form: str
    column: str

    @property
    def name(self) -> str:
        """A test's name for it."""
        return f"{self.column.replace(' ', '-')}-{self.form}"

    @property
    def is_often(self) -> bool:
        """Whether it is tried each time, also where that takes seconds."""
        return not self.is_ours or self.form in _OFTEN

    @property
    def cell(self) -> str:
        """LSTM, GRU or RNN."""
        return FORMS[self.form].cell.upper()

    @property
    def is_ours(self) -> bool:
        """Whether it is of gatewise."""
        return self.column.startswith("gatewise")

    @property
    def is_step(self) -> bool:
        """Whether it is a cell that takes one step."""
        return self.column.endswith("cells")

    def make(
        self, dtype: torch.dtype = torch.float64, device: str = "cpu", *, is_small: bool = False
    ) -> Any:
        """Make it and draw all its weights.

        A layer has two layers and directions, unless it ``is_small``, for checks that unroll it.
        """
        torch.manual_seed(0)
        library: Any = gatewise if self.is_ours else nn
        kind = getattr(library, self.cell + ("Cell" if self.is_step else ""))
        own = {} if self.is_step or is_small else TWOFOLD
        given = own | FORMS[self.form].options
        module = kind(FEATURES, UNITS, device=device, dtype=torch.float64, **given)
        with torch.no_grad():
            for weight in module.parameters():
                weight += 0.1 * torch.randn_like(weight)
        return module.to(dtype)

    def draw(self, dtype: torch.dtype = torch.float64, steps: int = STEPS) -> Tensor:
        """Draw an input."""
        shape = (BATCH, FEATURES) if self.is_step else (steps, BATCH, FEATURES)
        return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def run(module: Any, x: Any) -> Any:
    """Run a module with a fixed seed and give its first output: y, or a cell's h."""
    torch.manual_seed(2)
    result = module(x)
    return result[0] if isinstance(result, tuple) else result


def gradients(module: nn.Module, y: Tensor) -> list[Tensor]:
    """Give the gradients of all parameters that ``y`` depends on."""
    found = torch.autograd.grad(y.square().sum(), list(module.parameters()), allow_unused=True)
    return [gradient for gradient in found if gradient is not None]


def _of(column: str) -> list[Subject]:
    if column == "gatewise layers":
        return [Subject(form, column) for form in FORMS]
    if column == "gatewise cells":
        forms = [name for name, f in FORMS.items() if not _NO_OPTIONS_OF_A_STEP & {*f.options}]
        return [Subject(form, column) for form in forms]
    return [Subject(form, column) for form in ("lstm", "gru", "rnn")]


SUBJECTS = {column: _of(column) for column in COLUMNS}
