"""Captum's attributions through our layers: torch's where torch has the layer, whole elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import gatewise

attr = pytest.importorskip("captum", reason="make test-ecosystem installs it").attr

pytestmark = [
    pytest.mark.ecosystem,
    pytest.mark.filterwarnings("ignore:Input Tensor .* did not already require gradients"),
    pytest.mark.filterwarnings("ignore:Setting (forward|gradients|backward):UserWarning"),
]

BATCH, STEPS, FEATURES, HIDDEN, CLASSES = 5, 7, 4, 6, 3
LENGTHS = torch.tensor([7, 3, 5, 1, 6])
TARGET = torch.tensor([0, 1, 2, 0, 1])
BY_STEP = torch.arange(STEPS)[None, :, None].expand(1, STEPS, FEATURES)  # a step is one feature

both_kinds = pytest.mark.parametrize("kind", ["LSTM", "GRU"])


class Classifier(nn.Module):
    """Scores (B, CLASSES) from the last state and from the sum of the output over time."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(2 * HIDDEN, CLASSES, dtype=torch.float64)

    def forward(self, x: Tensor, lengths: Tensor | None = None, **cuts: Tensor) -> Tensor:
        y, state = self.run(x, lengths, **cuts)  # (B, T, H)
        h_n = state[0] if isinstance(state, tuple) else state
        return self.head(torch.cat([h_n[-1], y.sum(1)], dim=-1).tanh())

    def run(self, x: Tensor, lengths: Tensor | None, **cuts: Tensor) -> Any:
        return self.layer(x) if lengths is None else self.layer(x, lengths=lengths, **cuts)


class PackingClassifier(Classifier):
    """The same around torch's layer, which learns lengths from a packed sequence alone."""

    def run(self, x: Tensor, lengths: Tensor | None, **_: Tensor) -> Any:
        if lengths is None:
            return self.layer(x)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, state = self.layer(packed)
        return pad_packed_sequence(y, batch_first=True, total_length=STEPS)[0], state


class CutClassifier(Classifier):
    """The same with resets for its third argument, since Captum hands arguments on by place."""

    def forward(self, x: Tensor, lengths: Tensor, resets: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, lengths, resets=resets)


class OutputOf(nn.Module):
    """The output of a recurrent layer alone: an LSTM's nested state is none that Captum takes."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


def make_classifier(
    kind: str, library: Any = gatewise, model: type[Classifier] = Classifier, **options: Any
) -> Classifier:
    """Make a classifier in eval(), its head and layer drawn from the same seeds every time."""
    torch.manual_seed(0)
    options = {"num_layers": 2, "batch_first": True, "dtype": torch.float64, **options}
    made = model(getattr(library, kind)(FEATURES, HIDDEN, **options))
    torch.manual_seed(1)
    made.head.reset_parameters()
    return made.eval()


def both(kind: str, **options: Any) -> tuple[Classifier, Classifier]:
    """Make a classifier around our layer and one around torch's, with the same weights."""
    theirs = make_classifier(kind, nn, PackingClassifier, **options)
    ours = make_classifier(kind, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def draw_input() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(BATCH, STEPS, FEATURES, dtype=torch.float64, generator=generator)


def integrated(
    model: nn.Module, x: Tensor, *more: Any, baselines: Any = 0, n_steps: int = 64
) -> tuple[Any, Any]:
    """Integrated gradients, and how far their sum is from f(x) − f(baseline)."""
    return attr.IntegratedGradients(model).attribute(
        x,
        baselines=baselines,
        target=TARGET[: len(x)],
        additional_forward_args=more or None,
        n_steps=n_steps,
        return_convergence_delta=True,
    )


def assert_same(got: Any, expected: Any) -> None:
    """Compare attributions, tensors or tuples of tensors; those expected are not all 0."""
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
        return
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-14)


METHODS: dict[str, Callable[[Classifier, Tensor], Any]] = {
    "IntegratedGradients": lambda model, x: integrated(model, x)[0],
    "Saliency": lambda model, x: attr.Saliency(model).attribute(x, target=TARGET),
    "InputXGradient": lambda model, x: attr.InputXGradient(model).attribute(x, target=TARGET),
    "DeepLift": lambda model, x: attr.DeepLift(model).attribute(x, target=TARGET),
    "FeatureAblation": lambda model, x: attr.FeatureAblation(model).attribute(
        x, target=TARGET, feature_mask=BY_STEP
    ),
    "Occlusion": lambda model, x: attr.Occlusion(model).attribute(
        x, sliding_window_shapes=(2, FEATURES), target=TARGET
    ),
    "NeuronGradient": lambda model, x: attr.NeuronGradient(model, model.head).attribute(x, 1),
    "LayerIntegratedGradients, input": lambda model, x: attr.LayerIntegratedGradients(
        model, model.layer
    ).attribute(x, target=TARGET, attribute_to_layer_input=True),
    "LayerDeepLift, input": lambda model, x: attr.LayerDeepLift(model, model.layer).attribute(
        x, target=TARGET, attribute_to_layer_input=True
    ),
}


@both_kinds
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_attributions_are_those_through_torchs_layer(
    method: str, bidirectional: bool, kind: str
) -> None:
    ours, theirs = both(kind, bidirectional=bidirectional)
    for model in (ours, theirs):
        torch.manual_seed(1)
        width = HIDDEN * (2 + bidirectional)
        model.head = nn.Linear(width, CLASSES, dtype=torch.float64)
    got, expected = (METHODS[method](model, draw_input()) for model in (ours, theirs))
    assert_same(got, expected)


@both_kinds
def test_integrated_gradients_sum_to_what_they_explain(kind: str) -> None:
    ours, x = make_classifier(kind), draw_input()
    attributions, delta = integrated(ours, x)
    with torch.no_grad():
        difference = (ours(x) - ours(0 * x)).gather(1, TARGET[:, None])[:, 0]
    assert delta.abs().max() < 1e-9
    torch.testing.assert_close(attributions.sum((1, 2)), difference, rtol=1e-7, atol=1e-9)


LAYER_METHODS = {
    "LayerActivation": lambda model, layer, x: attr.LayerActivation(model, layer).attribute(x),
    "LayerConductance": lambda model, layer, x: attr.LayerConductance(model, layer).attribute(
        x, target=TARGET
    ),
    "LayerGradientXActivation": lambda model, layer, x: attr.LayerGradientXActivation(
        model, layer
    ).attribute(x, target=TARGET),
    "LayerIntegratedGradients": lambda model, layer, x: attr.LayerIntegratedGradients(
        model, layer
    ).attribute(x, target=TARGET),
    "LayerFeatureAblation": lambda model, layer, x: attr.LayerFeatureAblation(
        model, layer
    ).attribute(x, target=TARGET),
}


@pytest.mark.parametrize("method", ["LayerActivation", "LayerGradientXActivation"])
def test_attributions_to_the_tuple_that_a_gru_gives(method: str) -> None:
    """Captum's hook clones output and state and hands both on; other methods want (B, ...)."""
    got, expected = (
        LAYER_METHODS[method](model, model.layer, draw_input()) for model in both("GRU")
    )
    assert [part.shape for part in got] == [(BATCH, STEPS, HIDDEN), (2, BATCH, HIDDEN)]
    assert_same(got, expected)


@both_kinds
@pytest.mark.parametrize("method", LAYER_METHODS)
def test_attributions_to_the_output_of_a_layer(method: str, kind: str) -> None:
    results = []
    for made in both(kind):
        torch.manual_seed(1)
        head = nn.Linear(STEPS * HIDDEN, CLASSES, dtype=torch.float64)
        model = nn.Sequential(OutputOf(made.layer), nn.Flatten(), head)
        results.append(LAYER_METHODS[method](model, model[0], draw_input()))
    assert results[0].shape == (BATCH, STEPS, HIDDEN)
    assert_same(*results)


@both_kinds
def test_lengths_go_through_and_padding_gets_nothing(kind: str) -> None:
    ours, theirs = both(kind)
    padding = torch.arange(STEPS) >= LENGTHS[:, None]  # (B, T)
    x = draw_input()
    x[padding] = 1e3
    got, delta = integrated(ours, x, LENGTHS)
    assert not got[padding].any()
    assert got[~padding].all()
    assert delta.abs().max() < 1e-9
    assert_same(got, integrated(theirs, x, LENGTHS)[0])
    alone, _ = integrated(ours, x[:2, : LENGTHS[1]])  # of two that are as long as the second
    assert_same(got[1, : LENGTHS[1]], alone[1])
    ablated = attr.FeatureAblation(ours).attribute(
        x, target=TARGET, feature_mask=BY_STEP, additional_forward_args=LENGTHS
    )
    assert not ablated[padding].any()
    assert ablated[~padding].all()


@both_kinds
def test_nan_in_the_padding_stays_there(kind: str) -> None:
    """Captum multiplies a gradient, which is 0, by the distance from the baseline, which is NaN."""
    ours, x = make_classifier(kind), draw_input()
    padding = torch.arange(STEPS) >= LENGTHS[:, None]
    expected, _ = integrated(ours, x, LENGTHS)
    x[padding] = torch.nan
    got, _ = integrated(ours, x, LENGTHS)
    assert got[padding].isnan().all()
    assert torch.equal(got[~padding], expected[~padding])
    gradients = attr.Saliency(ours).attribute(x, target=TARGET, additional_forward_args=LENGTHS)
    assert not gradients[padding].any()


@both_kinds
def test_nothing_before_a_reset_is_credited_to_the_last_state(kind: str) -> None:
    model = make_classifier(kind, model=CutClassifier)
    with torch.no_grad():
        model.head.weight[:, HIDDEN:] = 0  # what reads the output at every step
    resets = torch.zeros(BATCH, STEPS, dtype=torch.bool)
    resets[torch.arange(BATCH), LENGTHS // 2] = True
    got, delta = integrated(model, draw_input(), LENGTHS, resets)
    steps = torch.arange(STEPS)
    counts = (steps >= (LENGTHS // 2)[:, None]) & (steps < LENGTHS[:, None])
    assert got[counts].all()
    assert not got[~counts].any()
    assert delta.abs().max() < 1e-9


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {"peephole": True}),
        ("LSTM", {"coupled": True}),
        ("LSTM", {"layer_norm": True}),
        ("LSTM", {"output_activation": "identity"}),
        ("LSTM", {"learn_initial_state": True}),
        ("LSTM", {"zoneout": (0.1, 0.4)}),
        ("LSTM", {"peephole": True, "coupled": True, "layer_norm": True, "zoneout": 0.2}),
        ("GRU", {"reset_after": False}),
        ("GRU", {"layer_norm": True}),
        ("GRU", {"zoneout": 0.3}),
        ("RNN", {"zoneout": 0.3}),
    ],
    ids=str,
)
def test_attributions_of_what_torch_lacks_sum_to_what_they_explain(
    kind: str, options: dict[str, Any]
) -> None:
    model, plain = make_classifier(kind, **options), make_classifier(kind)
    own = [p for n, p in model.layer.named_parameters() if n not in plain.layer.state_dict()]
    with torch.no_grad():
        for parameter in own:
            parameter.add_(torch.linspace(-0.5, 0.5, len(parameter)))
    x = draw_input()
    # Not 0 and near by: layer norm is steep where all of h passes 0 on the way.
    baseline = x + 0.1 * x.flip(0, 1)
    got, _ = integrated(model, x, baselines=baseline, n_steps=400)
    with torch.no_grad():
        difference = (model(x) - model(baseline)).gather(1, TARGET[:, None])[:, 0]
    torch.testing.assert_close(got.sum((1, 2)), difference, rtol=1e-7, atol=1e-10)
    assert difference.abs().max() > 1e-3
    other, _ = integrated(plain, x, baselines=baseline)
    assert (got - other).abs().max() > 0.05 * other.abs().max()


def test_eval_draws_no_masks_and_train_does() -> None:
    model = make_classifier("LSTM", recurrent_dropout=0.3, zoneout=0.2, dropout=0.1)
    first, second = (integrated(model, draw_input())[0] for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    assert not torch.equal(integrated(model, draw_input())[0], first)
