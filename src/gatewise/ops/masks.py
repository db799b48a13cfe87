"""The random masks of recurrent dropout and zoneout, the same on every backend.

Every mask is a function of one seed and of the place where it acts: Philox4x32-10 is keyed by the
seed, its counter is (unit // 4, row, step, stream), and the unit takes word unit % 4 of the four
that come out. The stream numbers the kind of mask, the direction and the layer. A bit is set where
the word is below p · 2³².
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gatewise.cells.parts import Keep
from gatewise.ops.call import Call
from gatewise.ops.philox import philox, split_seed

RECURRENT, ZONEOUT_H, ZONEOUT_C = range(3)  # the kinds


Draw = Callable[..., Tensor]  # draw_stream, or what takes its place


class Masks(NamedTuple):
    """The masks of one call.

    Attributes:
        recurrent: what h is multiplied by before W_hh, 0 or 1/(1 − p), (B, H or P); or None.
        keep: zoneout for each part of the state: (T, B, ·) bool, True keeps the old state; or its
            probability, when no masks are drawn; or None, when there is no zoneout.
    """

    recurrent: Tensor | None
    keep: tuple[Keep | None, ...]


def make_masks(call: Call, draw: Draw | None = None) -> Masks:
    """Draw a call's masks; without a seed, give what stands for them in evaluation.

    Args:
        call: the call.
        draw: what draws the bits of a stream, in place of ``draw_stream`` and with its arguments.
    """
    options = call.options
    if call.seed is None:
        return Masks(None, tuple([p or None for p in options.zoneout[: len(call.state)]]))
    keep: list[Keep | None] = []
    for kind, p, state in zip((ZONEOUT_H, ZONEOUT_C), options.zoneout, call.state, strict=False):
        shape = (call.x.shape[0], *state.shape)
        keep.append(draw_bits(call, kind, p, shape, draw) if p > 0 else None)
    return Masks(_recurrent_mask(call, draw), tuple(keep))


def _recurrent_mask(call: Call, draw: Draw | None) -> Tensor | None:
    p, h = call.options.recurrent_dropout, call.state[0]
    if p == 0:
        return None
    dropped = draw_bits(call, RECURRENT, p, (1, *h.shape), draw)[0]
    scale = 1 / (1 - p) if p < 1 else 0.0
    return h.new_full(h.shape, scale).masked_fill(dropped, 0)


def draw_bits(
    call: Call, kind: int, p: float, shape: tuple[int, ...], draw: Draw | None = None
) -> Tensor:
    """Draw bits that are True with probability ``p``, (T, B, ·), for one kind of mask of a call."""
    assert call.seed is not None
    stream = kind + 4 * (call.options.reverse + 2 * call.options.layer)
    if torch.compiler.is_compiling():
        # Inductor (torch 2.13) gets ten rounds of these products wrong, and takes long over them.
        draw = torch.ops.gatewise.draw_bits
    chosen: Draw = draw or draw_stream
    return chosen(call.seed, *shape, stream, p, call.x.device)


def draw_stream(
    seed: Tensor, steps: int, batch: int, units: int, stream: int, p: float, device: torch.device
) -> Tensor:
    """Draw the bits of one stream: (T, B, ·), True with probability ``p``."""

    def count(n: int, *view: int) -> Tensor:
        return torch.arange(n, device=device).view(view)

    counter = (
        count((units + 3) // 4, 1, 1, -1),
        count(batch, 1, -1, 1),
        count(steps, -1, 1, 1),
        torch.tensor(stream, device=device),
    )
    words = torch.stack(philox(counter, split_seed(seed.to(device))), dim=-1)  # (T, B, ·, 4)
    return words.flatten(2)[..., :units] < round(p * 2**32)
