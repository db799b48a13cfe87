"""Mistakes that someone could make in the reference, as changes of its source text."""

import importlib
import inspect
import sys
from types import ModuleType
from typing import NamedTuple

import pytest

from gatewise.ops import dispatch

# The modules that are copied, each behind those that it imports.
COPIED = (
    "cells.parts",
    "cells.gru",
    "cells.lstm",
    "cells.rnn",
    "cells",
    "ops.philox",
    "ops.masks",
    "ops.walk",
    "ops.reference",
)
SOURCES = {name: inspect.getsource(importlib.import_module(f"gatewise.{name}")) for name in COPIED}


class Edit(NamedTuple):
    """A piece of a module's text that occurs once, and what takes its place."""

    module: str
    old: str
    new: str


class Mutation(NamedTuple):
    """A mistake: its edits, and the forms that it makes wrong."""

    edits: tuple[Edit, ...]
    forms: tuple[str, ...]


def install(edits: tuple[Edit, ...], patch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Make a copy of the reference with some edits, the only backend while ``patch`` holds."""
    copies: dict[str, ModuleType] = {}
    for name in COPIED:
        full_name = f"gatewise.{name}"
        copies[name] = ModuleType(full_name)
        patch.setitem(sys.modules, full_name, copies[name])
        text = edit_source(name, edits)
        exec(compile(text, f"<copy of {full_name}>", "exec"), vars(copies[name]))
    reference = next(one for one in dispatch.BACKENDS if one.name == "reference")
    patch.setattr(dispatch, "BACKENDS", (reference._replace(run=copies["ops.reference"].run),))
    return copies


def edit_source(name: str, edits: tuple[Edit, ...]) -> str:
    """Give a module's text after the edits that are its own."""
    text = SOURCES[name]
    for module, old, new in edits:
        if module == name:
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
            text = text.replace(old, new)
    return text


def _mutate(module: str, old: str, new: str, *forms: str) -> Mutation:
    return Mutation((Edit(module, old, new),), forms)


_UNBIASED = "gain * (1 - 1 / len(gain)) ** 0.5"
_SUM_NORMED = "layer_norm(xw + F.linear(seen_h, w_hh), w_ln_hh, b_hh)"
_FROZEN = "None if walk.valid is None else walk.valid[t]"

MUTATIONS: dict[str, Mutation] = {
    "LSTM swaps input and forget gate": _mutate(
        "cells.lstm", 'else "ifgo"', 'else "figo"', "lstm", "lstm-recurrent-dropout"
    ),
    "LSTM swaps candidate and output gate": _mutate(
        "cells.lstm", '"igo" if coupled', '"iog" if coupled', "lstm-coupled"
    ),
    "LSTM drops the recurrent bias": _mutate(
        "cells.lstm",
        "linear(seen_h, w_hh, b_hh,",
        "linear(seen_h, w_hh, None,",
        "lstm",
        "lstm-layer-norm",
    ),
    "LSTM takes the other output": _mutate(
        "cells.lstm",
        'torch.tanh(out) if output_activation == "tanh"',
        'torch.tanh(out) if output_activation != "tanh"',
        "lstm",
        "lstm-identity",
    ),
    "o's peephole sees the old c": _mutate(
        "cells.lstm",
        'gate("o", new_c)',
        'gate("o", c)',
        "lstm-peephole",
        "lstm-coupled-peephole",
    ),
    "peepholes of i and o are swapped": _mutate(
        "cells.lstm", '"g", ""), w', '"g", "")[::-1], w', "lstm-peephole"
    ),
    "coupled f is i": _mutate("cells.lstm", "f = 1 - i if", "f = i if", "lstm-coupled"),
    "layer norm of c is forgotten": _mutate(
        "cells.lstm", "layer_norm(new_c, w_ln_c, b_ln_c)", "new_c", "lstm-layer-norm"
    ),
    "c stays normalised": _mutate(
        "cells.lstm", "zone(c, new_c, keep_c)", "zone(c, out, keep_c)", "lstm-layer-norm"
    ),
    "projection is forgotten in the carried state": _mutate(
        "cells.lstm",
        "new_h = F.linear(new_h, w_hr)",
        "new_h = new_h[:, : len(w_hr)]",
        "lstm-projection",
    ),
    "h is made from the zoned c": _mutate(
        "cells.lstm",
        "new_c = i * g + f * c",
        "new_c = zone(c, i * g + f * c, keep_c)",
        "lstm-zoneout",
    ),
    "LSTM ignores the recurrent mask": _mutate(
        "cells.lstm", "else recurrent_mask * h", "else h", "lstm-recurrent-dropout"
    ),
    "GRU swaps reset and update gate": _mutate(
        "cells.gru", "r, z = torch.sigmoid(x_rz + u_rz)", "z, r = torch.sigmoid(x_rz + u_rz)", "gru"
    ),
    "GRU drops the recurrent bias": _mutate(
        "cells.gru", "linear(seen, w_hh, b_hh, w_ln_hh)", "linear(seen, w_hh, None, w_ln_hh)", "gru"
    ),
    "GRU takes the other reset form": _mutate(
        "cells.gru", "if reset_after:", "if not reset_after:", "gru", "gru-reset-before"
    ),
    "GRU's z writes": _mutate(
        "cells.gru", "(1 - z) * n + z * h", "z * n + (1 - z) * h", "gru", "gru-reset-before"
    ),
    "recurrent mask is on the GRU's carry, too": _mutate(
        "cells.gru",
        "(1 - z) * n + z * h",
        "(1 - z) * n + z * seen",
        "gru-recurrent-dropout",
        "gru-reset-before-recurrent-dropout",
    ),
    "recurrent mask is not on the candidate's r * h": _mutate(
        "cells.gru", "linear(r * seen,", "linear(r * h,", "gru-reset-before-recurrent-dropout"
    ),
    "RNN drops the recurrent bias": _mutate(
        "cells.rnn", "linear(seen, w_hh, b_hh)", "linear(seen, w_hh, None)", "rnn"
    ),
    "RNN takes the other nonlinearity": _mutate(
        "cells.rnn", 'if nonlinearity == "tanh"', 'if nonlinearity != "tanh"', "rnn", "rnn-relu"
    ),
    "layer norm has no gain": _mutate(
        "cells.parts",
        "gain.shape, gain, bias,",
        "gain.shape, None, bias,",
        "lstm-layer-norm",
        "gru-layer-norm",
    ),
    "layer norm has another eps": _mutate(
        "cells.parts", "EPS = 1e-5", "EPS = 1e-6", "lstm-layer-norm", "gru-layer-norm"
    ),
    "layer norm has the unbiased variance": _mutate(
        "cells.parts",
        "gain.shape, gain, bias,",
        f"gain.shape, {_UNBIASED}, bias,",
        "lstm-layer-norm",
        "gru-layer-norm",
    ),
    "layer norm takes the bias in": _mutate(
        "cells.parts",
        "layer_norm(F.linear(x, weight), gain, bias)",
        "layer_norm(F.linear(x, weight, bias), gain, None)",
        "lstm-layer-norm",
        "gru-layer-norm",
    ),
    "layer norm is over the sum of both products": Mutation(
        (
            Edit("cells.lstm", "xw + linear(seen_h, w_hh, b_hh, w_ln_hh)", _SUM_NORMED),
            Edit("ops.reference", "call.b_ih, call.extras.w_ln_ih)", "call.b_ih)"),
        ),
        ("lstm-layer-norm",),
    ),
    "layer norm of U (r * h) is over all gates": _mutate(
        "cells.gru",
        "linear(r * seen, *candidate)",
        "linear(r * seen, w_hh, b_hh, w_ln_hh)[:, -h.shape[1] :]",
        "gru-reset-before-everything",
    ),
    "zoneout swaps old and new": _mutate(
        "cells.parts", "where(keep, old, new)", "where(keep, new, old)", "lstm-zoneout"
    ),
    "zoneout of evaluation swaps old and new": _mutate(
        "cells.parts",
        "keep * old + (1 - keep) * new",
        "keep * new + (1 - keep) * old",
        "lstm-zoneout",
        "gru-zoneout",
    ),
    "zoneout of evaluation is ignored": _mutate(
        "cells.parts", "keep * old + (1 - keep) * new", "new", "gru-zoneout", "rnn-zoneout"
    ),
    "zoneout of evaluation draws": _mutate(
        "cells.parts",
        "keep * old + (1 - keep) * new",
        "torch.where(torch.rand_like(new) < keep, old, new)",
        "gru-zoneout",
    ),
    "zoneout of h and c are swapped": _mutate(
        "ops.reference", '("keep_h", "keep_c")', '("keep_c", "keep_h")', "lstm-zoneout"
    ),
    "zoneout takes the next step's mask": _mutate(
        "ops.reference", "k[t] if", "k[(t + 1) % len(k)] if", "gru-zoneout", "lstm-everything"
    ),
    "recurrent mask is not scaled": _mutate(
        "ops.masks", "1 / (1 - p) if p < 1 else 0.0", "1.0", "rnn-recurrent-dropout"
    ),
    "mask is the same for every row": _mutate(
        "ops.masks", "count(batch, 1, -1, 1)", "count(batch, 1, -1, 1) * 0", "gru-zoneout"
    ),
    "mask is the same at every step": _mutate(
        "ops.masks", "count(steps, -1, 1, 1)", "count(steps, -1, 1, 1) * 0", "rnn-zoneout"
    ),
    "mask is the same in every layer": _mutate(
        "ops.masks", "2 * call.options.layer", "0", "lstm-recurrent-dropout"
    ),
    "mask is the same in both directions": _mutate(
        "ops.masks", "call.options.reverse + ", "", "gru-recurrent-dropout"
    ),
    "mask is the same for h and c": _mutate("ops.masks", "kind + 4 *", "4 *", "lstm-zoneout"),
    "mask is set with 1 − p": _mutate(
        "ops.masks", ":units] < round", ":units] >= round", "rnn-zoneout"
    ),
    "Philox has 9 rounds": _mutate("ops.philox", "ROUNDS = 10", "ROUNDS = 9", "rnn-zoneout"),
    "seed's high word is lost": _mutate(
        "ops.philox", "return seed & _LOW, (seed >> 32)", "return seed & _LOW, seed", "rnn-zoneout"
    ),
    "input bias is dropped": _mutate(
        "ops.reference", "call.w_ih, call.b_ih,", "call.w_ih, None,", "lstm", "gru", "rnn"
    ),
    "last step is skipped": _mutate(
        "ops.reference",
        "step(steps[t], *state, **keep)",
        "step(steps[t], *state, **keep) if t != walk.order[-1] else state",
        "lstm",
        "gru-reset-before",
        "rnn-relu",
    ),
    "given state is ignored": _mutate(
        "ops.reference",
        "xw, call.state,",
        "xw, tuple(torch.zeros_like(s) for s in call.state),",
        "lstm",
        "gru",
    ),
    "gradients stop at every step": _mutate(
        "ops.reference",
        "step(steps[t], *state,",
        "step(steps[t], *(s.detach() for s in state),",
        "lstm",
        "gru-recurrent-dropout",
    ),
    "rows see each other": _mutate(
        "ops.reference",
        "step(steps[t], *state,",
        "step(steps[t] + 0 * steps[t].mean(0), *state,",
        "gru",
    ),
    "state runs on beyond the length": _mutate(
        "ops.reference", _FROZEN, f"None if walk.order.step > 0 else {_FROZEN}", "lstm", "rnn"
    ),
    "reverse starts at T": _mutate(
        "ops.reference", _FROZEN, f"None if walk.order.step < 0 else {_FROZEN}", "lstm", "rnn"
    ),
    "padding is read": _mutate("ops.reference", "x = walk.clear(call.x)", "x = call.x", "gru"),
    "padding is multiplied by 0": _mutate(
        "ops.walk", "sequence.masked_fill(~self.valid, 0)", "sequence * self.valid", "gru"
    ),
    "y goes on beyond the length": _mutate(
        "ops.reference", "Result(walk.clear(y), state)", "Result(y, state)", "rnn"
    ),
    "cut comes a step late": _mutate(
        "ops.walk", "resets.unsqueeze(-1)", "resets.roll(1, 0).unsqueeze(-1)", "lstm"
    ),
    "cut of the reverse stands where the forward's does": _mutate(
        "ops.walk", "    if reverse:\n", "    if False:\n", "gru"
    ),
    "cut beyond the length counts": _mutate("ops.walk", "cuts & valid", "cuts", "rnn"),
    "cut leaves c": _mutate(
        "ops.reference", "zip(fresh, state,", "zip((fresh[0], *state[1:]), state,", "lstm"
    ),
    "cut ignores the learned state": _mutate(
        "ops.reference",
        "state.new_zeros(()) if initial is None else initial",
        "state.new_zeros(())",
        "lstm-initial-state",
        "gru-initial-state",
        "rnn-initial-state",
    ),
}
