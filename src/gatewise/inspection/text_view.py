"""A language model on a piece of text."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import read_documents
from gatewise.data.errors import DataError
from gatewise.estimators.language_model import LanguageModel
from gatewise.inspection.capture import capture, device_of, named, set_aside
from gatewise.inspection.choice import Choice, number_of
from gatewise.inspection.influence import gradient_rows, rows_worth
from gatewise.inspection.view import Axis, Curve, Influence, View

STEPS = 400
"""Shown where it is not said how many."""

BOUNDARY = "⊢"
"""Label of what is read before a text's first character."""


def text_view(model: LanguageModel, data: Any, choice: Choice) -> View:
    """Look at how a piece of text is foreseen.

    The piece is read as a text that begins there: first the boundary, then the characters. A place
    on the axis is the number of characters (or bytes) of the text read so far.

    Args:
        model: a fitted one.
        data: as for its ``nats``.
        choice: ``at``, the number of characters before the piece (None is 0), ``steps`` (None is
            400), and ``sequence``, the number of the document where there are several.

    Raises:
        DataError: there is no such piece, or it holds a character that the model does not know.
    """
    documents = read_documents(data, lines=model.lines)
    numbers = [str(number) for number in range(len(documents.texts))]
    number = number_of(choice.sequence, numbers, documents.name)
    text = documents.texts[number]
    name = f"{documents.name}, document {number}" if len(numbers) > 1 else documents.name
    at, most = _begin(choice.at, text, name), choice.steps or STEPS
    told = _told(model, text, at, most, name, has_end=documents.have_ends)
    net, alphabet = set_aside(model.model_), model.alphabet_
    read = torch.tensor([alphabet.boundary, *told[:-1]])[:, None]  # (T, 1)
    run = capture(net, read.to(device_of(net)))
    logits, _ = run.outputs
    targets = torch.tensor(told, device=logits.device)
    nats = F.cross_entropy(logits[:, 0].float(), targets, reduction="none")  # (T,)
    chosen = rows_worth(net.rnn, len(told), len(told))
    unit, before = alphabet.unit, at if alphabet.unit == "character" else len(text[:at].encode())
    places = range(before, before + len(told))
    return View(
        name=named(net.rnn),
        cell=net.rnn.cell,
        about=f"{name}: {len(told):,} {unit}s behind the first {at:,} characters, read as a text "
        f"that begins there ({BOUNDARY}); they cost {float(nats.detach().double().mean()):.3f} "
        f"nats each.",
        axis=Axis(unit, places, labels=[BOUNDARY, *_labels(alphabet, told[:-1])]),
        curves=[
            Curve(
                f"nats of the next {unit}",
                "prediction",
                places,
                nats.detach().double().cpu().numpy(),
            )
        ],
        layers=run.layers,
        influence=Influence(
            values=gradient_rows(-nats[torch.from_numpy(chosen).to(nats.device)], run.read),
            rows=[places[step] for step in chosen],
            title=f"next {unit} after",
            about=f"Norm of the gradient of the true next {unit}'s log probability with respect to "
            f"the embedding of each {unit} read.",
        ),
    )


def _begin(at: str | None, text: str, name: str) -> int:
    if at is None:
        return 0
    if not at.strip().isdecimal() or int(at) >= len(text):
        raise DataError(
            f"at (--at) is a number of characters, from 0 to {len(text) - 1:,}, got {at!r}",
            name=name,
        )
    return int(at)


def _told(
    model: LanguageModel, text: str, at: int, most: int, name: str, *, has_end: bool
) -> list[int]:
    """Give the symbols to be told, at most ``most``; a document's end among them if it counts."""
    piece = text[at : at + most]
    where = f"{name}, behind the first {at:,} characters" if at else name
    symbols: list[int] = np.asarray(model.alphabet_.encode(piece, where)).tolist()
    if has_end and model.has_ends_ and at + len(piece) == len(text):
        symbols.append(model.alphabet_.boundary)
    if not symbols:
        raise DataError("nothing to read: the document is empty", name=name)
    return symbols[:most]


def _labels(alphabet: Alphabet, symbols: list[int]) -> list[str]:
    """Show characters as they are, and bytes that are none alone by their number."""
    if alphabet.unit == "character":
        return [alphabet.characters[symbol] for symbol in symbols]
    return [chr(symbol) if symbol < 128 else f"\\x{symbol:02X}" for symbol in symbols]
