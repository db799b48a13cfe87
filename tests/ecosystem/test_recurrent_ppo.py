"""RecurrentPPO of sb3-contrib with our LSTM: the same numbers, the same learning."""

# ruff: noqa: E402 - what is imported may not be there

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytestmark = pytest.mark.ecosystem
pytest.importorskip("sb3_contrib", reason="make test-ecosystem installs it")

from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor

import gatewise

sys.path += [str(Path(__file__).parents[2] / folder) for folder in ("examples", "benchmarks")]

import recurrent_ppo
import reinforcement
from recurrent_ppo import GatewisePolicy

SEEN, ACTIONS = spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2,))
VARIANTS: dict[str, dict[str, Any]] = {
    "critic of its own": {},
    "shared": {"shared_lstm": True, "enable_critic_lstm": False},
    "critic without": {"enable_critic_lstm": False},
    "two layers": {"n_lstm_layers": 2},
    "no bias": {"lstm_kwargs": {"bias": False}},
    "features apart": {"share_features_extractor": False, "ortho_init": False},
    "another optimizer": {
        "optimizer_class": torch.optim.SGD,
        "optimizer_kwargs": {"momentum": 0.5},
    },
}
STARTS = {"nowhere": 0.0, "anywhere": 0.3, "everywhere": 1.0}  # share of steps that start episodes
each_variant = pytest.mark.parametrize("variant", VARIANTS)

OURS = ("gatewise", "whole")
CONSTANT = {"learning_rate": 2e-3, "clip_range": 0.2}  # where a schedule would be at its end, 0
STEPS, CARTS = 64, 8  # of a rollout, as the example has them


def make_pair(
    seen: spaces.Space = SEEN, **options: Any
) -> tuple[RecurrentActorCriticPolicy, GatewisePolicy]:
    """Make sb3-contrib's policy and ours, each from the same seed."""
    made = []
    for policy in (RecurrentActorCriticPolicy, GatewisePolicy):
        torch.manual_seed(0)
        made.append(policy(seen, ACTIONS, lambda _: 1e-2, lstm_hidden_size=8, **options))
    return made[0], made[1]


def draw_states(policy: RecurrentActorCriticPolicy, sequences: int) -> RNNStates:
    layers, _, hidden = policy.lstm_hidden_state_shape
    h, c, h_critic, c_critic = torch.randn(4, layers, sequences, hidden)
    return RNNStates((h, c), (h_critic, c_critic))


def draw_starts(share: float, rows: int) -> Tensor:
    """Draw where episodes start, 0 or 1 in float32, as rollouts have it."""
    return (torch.rand(rows) < share).float()


def process(policy: RecurrentActorCriticPolicy, *inputs: Tensor) -> dict[str, Tensor]:
    """Run sequences through the actor's LSTM; give its outputs and all gradients."""
    features, h_0, c_0 = (tensor.clone().requires_grad_() for tensor in inputs[:3])
    lstm = policy.lstm_actor
    y, (h_n, c_n) = policy._process_sequence(features, (h_0, c_0), inputs[3], lstm)
    torch.manual_seed(2)
    sum((out * torch.randn_like(out)).sum() for out in (y, h_n, c_n)).backward()
    found = {"features": features, "h_0": h_0, "c_0": c_0, **dict(lstm.named_parameters())}
    gradients = {f"d{name}": tensor.grad for name, tensor in found.items()}
    return {"y": y, "h_n": h_n, "c_n": c_n} | gradients


def assert_equal(ours: Any, theirs: Any, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 1), (4, 7)])
def test_sequences_are_those_of_the_loop(shape: tuple[int, int], layers: int, starts: str) -> None:
    theirs, ours = (policy.double() for policy in make_pair(n_lstm_layers=layers))
    torch.manual_seed(1)
    rows = shape[0] * shape[1]
    inputs = torch.randn(rows, 3), *draw_states(theirs, shape[0]).pi
    inputs = *(tensor.double() for tensor in inputs), draw_starts(STARTS[starts], rows)
    assert_equal(process(ours, *inputs), process(theirs, *inputs), 1e-12)


@each_variant
def test_policy_starts_with_the_same_weights(variant: str) -> None:
    theirs, ours = make_pair(**VARIANTS[variant])
    after_ours = torch.get_rng_state()
    torch.manual_seed(0)
    RecurrentActorCriticPolicy(
        SEEN, ACTIONS, lambda _: 1e-2, lstm_hidden_size=8, **VARIANTS[variant]
    )
    assert torch.equal(after_ours, torch.get_rng_state())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert_equal(ours.state_dict(), theirs.state_dict(), 0)
    lstms = [ours.lstm_actor, *([] if ours.lstm_critic is None else [ours.lstm_critic])]
    assert all(type(lstm) is gatewise.LSTM for lstm in lstms)


@each_variant
def test_optimizer_moves_all_weights_alike(variant: str) -> None:
    pair, changes = make_pair(**VARIANTS[variant]), []
    for policy in pair:
        torch.manual_seed(1)
        before = copy.deepcopy(policy.state_dict())
        for _ in range(3):
            values, log_prob, _ = evaluate(policy)
            policy.optimizer.zero_grad()
            (values.square().mean() - log_prob.mean()).backward()
            policy.optimizer.step()
        changes.append({name: w - before[name] for name, w in policy.state_dict().items()})
    assert_equal(changes[1], changes[0], 1e-5)
    unmoved = {name for name, change in changes[1].items() if not change.any()}
    assert unmoved == {name for name, change in changes[0].items() if not change.any()}
    assert not any("lstm" in name for name in unmoved)


def evaluate(policy: RecurrentActorCriticPolicy) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate drawn actions of four sequences of six steps."""
    seen, actions = torch.randn(24, 3), torch.randn(24, 2)
    starts = draw_starts(0.3, 24)
    return policy.evaluate_actions(seen, actions, draw_states(policy, 4), starts)


@each_variant
def test_evaluation_of_actions_is_the_same(variant: str) -> None:
    results = []
    for policy in make_pair(**VARIANTS[variant]):
        torch.manual_seed(1)
        values, log_prob, entropy = evaluate(policy)
        (values.square().mean() - log_prob.mean()).backward()
        gradients = {name: w.grad for name, w in policy.named_parameters() if w.grad is not None}
        results.append({"values": values, "log_prob": log_prob, "entropy": entropy} | gradients)
    assert_equal(results[1], results[0], 1e-5)


@each_variant
@pytest.mark.parametrize("is_deterministic", [True, False])
def test_rollout_and_prediction_carry_the_same_state(variant: str, is_deterministic: bool) -> None:
    results = []
    for policy in make_pair(**VARIANTS[variant]):
        torch.manual_seed(1)
        states, given, found = draw_states(policy, 5), None, []
        for _ in range(6):
            seen, starts = torch.randn(5, 3), draw_starts(0.3, 5)
            *outputs, states = policy(seen, states, starts, is_deterministic)
            found += [*outputs, *states.pi, *states.vf]
            last_values = policy.predict_values(seen, states.vf, starts)
            actions, given = policy.predict(
                seen.numpy(), given, starts.bool().numpy(), is_deterministic
            )
            found += [last_values, *map(torch.as_tensor, (actions, *given))]
        results.append([tensor.detach() for tensor in found])
    assert_equal(results[1], results[0], 1e-5)


def test_prediction_forgets_where_an_episode_starts() -> None:
    _, policy = make_pair()
    seen, begins = np.ones((1, 3), dtype=np.float32), np.array([True])
    fresh, state = policy.predict(seen, deterministic=True)
    later, _ = policy.predict(seen, state, deterministic=True)
    anew, _ = policy.predict(seen, state, begins, deterministic=True)
    assert np.array_equal(anew, fresh)
    assert not np.allclose(later, fresh)


def test_dictionaries_of_observations_are_taken() -> None:
    seen = spaces.Dict({"place": SEEN, "kind": spaces.Discrete(4)})
    given = {"place": np.ones((2, 3), dtype=np.float32), "kind": np.array([1, 3])}
    results = [
        policy.predict(given, deterministic=True)[0]
        for policy in make_pair(seen, features_extractor_class=CombinedExtractor)
    ]
    assert_equal(results[1], results[0], 1e-5)


@pytest.mark.parametrize("batch_size", [512, 200])
@pytest.mark.parametrize("memory", OURS)
def test_update_is_the_same(memory: str, batch_size: int) -> None:
    weights, losses = [], []
    for each in ("torch", memory):
        model = recurrent_ppo.build(each, seed=0, batch_size=batch_size, **CONSTANT)
        before = copy.deepcopy(model.policy.state_dict())
        model.learn(STEPS * CARTS)  # a rollout, and ten rounds over it
        assert model.rollout_buffer.episode_starts[1:].any()
        weights.append(model.policy.state_dict())
        assert all((w - before[name]).abs().max() > 1e-3 for name, w in weights[-1].items())
        log = model.logger.name_to_value
        losses.append({name: float(log[name]) for name in log if name.startswith("train/")})
    assert {"train/loss", "train/value_loss", "train/approx_kl"} <= losses[1].keys()
    assert_equal(losses[1], losses[0], 1e-4)
    assert_equal(weights[1], weights[0], 1e-4)


def test_whole_sequences_hold_the_same_steps() -> None:
    """All that a loss is made of, in the same order, with less padding between."""
    found = []
    for memory in ("gatewise", "whole"):
        model = recurrent_ppo.build(memory, seed=0, n_epochs=1).learn(STEPS * CARTS)
        np.random.seed(0)  # noqa: NPY002 - from where the buffer draws
        found.append(list(model.rollout_buffer.get(200)))
    for cut, whole in zip(*found, strict=True):
        assert whole.episode_starts.sum() == cut.episode_starts.sum()
        assert len(whole.mask) < len(cut.mask)
        for name in ("observations", "actions", "old_values", "advantages", "episode_starts"):
            kept = [getattr(samples, name)[samples.mask > 0] for samples in (cut, whole)]
            assert torch.equal(*kept), name


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[BaseAlgorithm, Path]]:
    """Train a little with sb3-contrib's LSTM and with ours, and write the files."""
    folder, made = tmp_path_factory.mktemp("models"), {}
    for memory in ("torch", *OURS):
        model = recurrent_ppo.build(memory, seed=0, hidden=8, n_epochs=1, **CONSTANT)
        model.learn(STEPS * CARTS).save(folder / f"{memory}.zip")
        made[memory] = (model, folder / f"{memory}.zip")
    return made


def follow(model: BaseAlgorithm) -> list[Tensor]:
    """Give the states of the actor over ten steps."""
    torch.manual_seed(0)
    state, found = None, []
    for seen in torch.randn(10, 1, 2):
        _, state = model.predict(seen.numpy(), state, deterministic=True)
        found += map(torch.as_tensor, state)
    return found


@pytest.mark.parametrize("memory", OURS)
def test_saved_model_is_the_same(memory: str, saved: dict[str, tuple[BaseAlgorithm, Path]]) -> None:
    model, path = saved[memory]
    loaded = type(model).load(path)
    assert type(loaded.rollout_buffer) is type(model.rollout_buffer)
    assert type(loaded.policy) is GatewisePolicy
    assert type(loaded.policy.lstm_actor) is gatewise.LSTM
    assert_equal(follow(loaded), follow(model), 0)


@pytest.mark.parametrize(
    ("source", "policy"),
    [
        ("torch", GatewisePolicy),
        ("gatewise", RecurrentActorCriticPolicy),
    ],
)
def test_model_changes_hands_and_trains_on(
    source: str, policy: type, saved: dict[str, tuple[BaseAlgorithm, Path]]
) -> None:
    model, path = saved[source]
    other = RecurrentPPO.load(path, custom_objects={"policy_class": policy})
    assert type(other.policy) is policy
    assert_equal(follow(other), follow(model), 1e-6)
    weights = []
    for kind in ({}, {"custom_objects": {"policy_class": policy}}):
        going = RecurrentPPO.load(path, env=recurrent_ppo.make_carts(seed=1), **kind)
        going.set_random_seed(1)
        going.learn(STEPS * CARTS, reset_num_timesteps=False)
        weights.append(going.policy.state_dict())
    assert_equal(weights[1], weights[0], 1e-4)


class Diary(BaseCallback):
    """Keeps every rollout: what was done, and what it earned."""

    def __init__(self) -> None:
        super().__init__()
        self.rollouts: list[tuple[np.ndarray, np.ndarray]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        self.rollouts.append((buffer.actions.copy(), buffer.rewards.copy()))


class Widen(FlattenExtractor):
    """Gives features in float64."""

    def forward(self, observations: Tensor) -> Tensor:
        return super().forward(observations).double()


class InDouble:
    """A policy in float64; rollouts keep its states in float32."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, features_extractor_class=Widen)
        self.double()

    def _process_sequence(
        self, features: Tensor, states: tuple[Tensor, Tensor], starts: Tensor, lstm: torch.nn.Module
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = (state.double() for state in states)
        return super()._process_sequence(features, (h, c), starts, lstm)


class TheirsInDouble(InDouble, RecurrentActorCriticPolicy):
    pass


class OursInDouble(InDouble, GatewisePolicy):
    pass


DOUBLE = {"torch": TheirsInDouble, "gatewise": OursInDouble, "whole": OursInDouble}


def learn(memory: str, seed: int, rollouts: int) -> tuple[BaseAlgorithm, Diary]:
    """Train shortly, and keep a diary."""
    diary = Diary()
    return recurrent_ppo.build(memory, seed).learn(rollouts * STEPS * CARTS, diary), diary


def judge(model: BaseAlgorithm) -> float:
    """Give the mean return of what was learnt."""
    return evaluate_policy(model, recurrent_ppo.make_carts(seed=1000), n_eval_episodes=24)[0]


def assert_same_rollouts(ours: Diary, theirs: Diary) -> None:
    for number, pair in enumerate(zip(ours.rollouts, theirs.rollouts, strict=True)):
        assert all(map(np.array_equal, *pair)), f"rollout {number} differs"


@pytest.mark.parametrize("memory", OURS)
def test_first_rollouts_are_the_same(memory: str) -> None:
    """One action that differs makes another run of it, which comes when rounding has grown."""
    (_, theirs), (_, ours) = (learn(each, 0, rollouts=5) for each in ("torch", memory))
    assert_same_rollouts(ours, theirs)


@pytest.mark.slow
def test_returns_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64 rounding never grows to another action; and nothing is learnt without memory."""
    for memory, policy in DOUBLE.items():
        monkeypatch.setitem(
            recurrent_ppo.MEMORIES, memory, (recurrent_ppo.MEMORIES[memory][0], policy)
        )
    original, theirs = learn("torch", 0, rollouts=24)
    for memory in OURS:
        model, ours = learn(memory, 0, rollouts=24)
        assert_same_rollouts(ours, theirs)
        assert judge(model) == judge(original) > 150
    without, _ = learn("none", 0, rollouts=96)
    assert judge(without) < 75


@pytest.mark.parametrize("memory", recurrent_ppo.MEMORIES)
def test_example_says_what_was_learnt(memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = recurrent_ppo.main(["--memory", memory, "--steps", "512", "--hidden", "8"])
    said = f"memory {memory}: return {result['metrics']['return']:.0f} ± "
    assert capsys.readouterr().out.startswith(said)


def test_benchmark_times_only_who_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reinforcement.prepare(hidden=8, rollouts=2).keys() == reinforcement.NAMES.keys()

    class Forgetful(reinforcement.NoLoop):
        @staticmethod
        def _process_sequence(features, lstm_states, episode_starts, lstm):
            ones = torch.ones_like(episode_starts)
            return reinforcement.NoLoop._process_sequence(features, lstm_states, ones, lstm)

    monkeypatch.setitem(recurrent_ppo.MEMORIES, "torch, no loop", (RecurrentPPO, Forgetful))
    with pytest.raises(SystemExit, match="torch, no loop disagrees with sb3-contrib by"):
        reinforcement.prepare(hidden=8, rollouts=2)
