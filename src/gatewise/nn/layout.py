"""Between the forms in which a batch may come and the one in which it is computed, (T, B, I)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


class Layout(NamedTuple):
    """How to bring a batch's tensors into time-major form, and back.

    Attributes:
        arrange_state: user's state, (L·D, B, ·) or (L·D, ·), to (L·D, B, ·) as computed.
        restore_state: the way back.
        restore_output: y (T, B, ·) to the form in which the input came.
    """

    arrange_state: Callable[[Tensor], Tensor]
    restore_state: Callable[[Tensor], Tensor]
    restore_output: Callable[[Tensor], Tensor | PackedSequence]


def _same(tensor: Tensor) -> Tensor:
    return tensor


_AS_IT_CAME = Layout(_same, _same, _same)


def batched(x: Tensor, batch_first: bool) -> tuple[Tensor, Layout]:
    """Give a batch as (T, B, I), and its layout."""
    if not batch_first:
        return x, _AS_IT_CAME
    return x.transpose(0, 1), Layout(_same, _same, lambda y: y.transpose(0, 1))


def unbatched(x: Tensor) -> tuple[Tensor, Layout]:
    """Give one sequence (T, I) as (T, 1, I), and its layout."""
    return x.unsqueeze(1), Layout(
        arrange_state=lambda state: state.unsqueeze(1),
        restore_state=lambda state: state.squeeze(1),
        restore_output=lambda y: y.squeeze(1),
    )


def packed(sequences: PackedSequence) -> tuple[Tensor, Tensor, Layout]:
    """Give a packed batch as (T, B, I) in the user's order, its lengths (B,), and its layout.

    Rows are looked up by number, which every transform of ``torch.func`` knows; torch's own packing
    none does, and it takes several times as long.
    """
    data, batch_sizes, sorted_indices, unsorted_indices = sequences
    sizes = batch_sizes.to(data.device)
    batch: Any = batch_sizes[0]  # a tensor still: torch.jit.trace would take a number for constant
    ranks = torch.arange(batch, device=data.device)  # by length, longest first
    order = ranks if sorted_indices is None else sorted_indices
    places = ranks if unsorted_indices is None else unsorted_indices
    ends = sizes.cumsum(0)  # of each step's rows
    starts = ends - sizes
    exists = places < sizes.unsqueeze(1)  # (T, B)
    rows = torch.where(exists, starts.unsqueeze(1) + places, 0)
    x = data[rows].masked_fill(~exists.unsqueeze(-1), 0)

    def pack(y: Tensor) -> PackedSequence:
        row = torch.arange(data.shape[0], device=y.device)
        steps = torch.searchsorted(ends, row, right=True)
        columns = order[row - starts[steps]]
        return PackedSequence(y[steps, columns], batch_sizes, sorted_indices, unsorted_indices)

    return x, exists.sum(0), Layout(_same, _same, pack)
