"""Balance a pole without seeing how fast it falls: only a policy with a memory can.

    python examples/recurrent_ppo.py --seed 0

This is sb3-contrib's RecurrentPPO with our LSTM in its policy, and with batches that nobody pads,
since our LSTM starts anew wherever an episode does. ``--memory gatewise`` leaves it its batches,
``--memory torch`` also its LSTM, with the same numbers, slower; ``--memory none`` is PPO without
any. The task is Gymnasium's CartPole, which shows where the cart and the pole are and hides their
velocities; 500 is the best return. ``pip install sb3-contrib`` brings what it needs.
"""

import argparse
import time
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.wrappers import TransformObservation
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import Tensor, nn

import gatewise

EPISODES = 20  # that judge what was learnt
SETTINGS = {"n_steps": 64, "batch_size": 512, "gamma": 0.98, "gae_lambda": 0.9, "vf_coef": 0.05}
SETTINGS |= {"learning_rate": lambda left: 2e-3 * left, "clip_range": lambda left: 0.2 * left}


class GatewisePolicy(RecurrentActorCriticPolicy):
    """The policy of RecurrentPPO with our LSTM: the same arguments, weights and numbers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lstm_actor = self.take_over(self.lstm_actor)
        if self.lstm_critic is not None:
            self.lstm_critic = self.take_over(self.lstm_critic)

    def take_over(self, theirs: nn.LSTM) -> gatewise.LSTM:
        """Give our layer with the very parameters of theirs, which the optimizer has by now."""
        sizes = theirs.input_size, theirs.hidden_size, theirs.num_layers
        # On the meta device it takes no memory and draws no random numbers.
        options = {**self.lstm_kwargs, "batch_first": True, "device": "meta"}
        ours = gatewise.LSTM(*sizes, **options)
        ours.load_state_dict(theirs.state_dict(keep_vars=True), assign=True)
        return ours

    @staticmethod
    def _process_sequence(
        features: Tensor,
        lstm_states: tuple[Tensor, Tensor],
        episode_starts: Tensor,
        lstm: gatewise.LSTM,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run whole sequences, cut where episodes start: theirs has a Python loop over steps."""
        sequences = lstm_states[0].shape[1]
        x = features.reshape(sequences, -1, lstm.input_size)  # (B, T, I)
        resets = episode_starts.reshape(sequences, -1).bool()  # (B, T)
        y, lstm_states = lstm(x, lstm_states, resets=resets)
        return y.flatten(0, 1), lstm_states


class WholeSequences(RecurrentRolloutBuffer):
    """Leaves a batch in one row for each environment; theirs pads a row for each episode."""

    def _get_samples(
        self, batch_inds: np.ndarray, env_change: np.ndarray, env: VecNormalize | None = None
    ) -> RecurrentRolloutBufferSamples:
        starts, self.episode_starts = self.episode_starts, np.zeros_like(self.episode_starts)
        samples = super()._get_samples(batch_inds, env_change, env)  # cut by env_change alone
        self.episode_starts = starts
        return samples._replace(episode_starts=self.pad_and_flatten(starts[batch_inds]))


class WholePPO(RecurrentPPO):
    """RecurrentPPO with batches of whole sequences, for a policy that cuts them itself."""

    def _setup_model(self) -> None:
        super()._setup_model()
        self.rollout_buffer = WholeSequences(
            self.n_steps,
            self.observation_space,
            self.action_space,
            self.rollout_buffer.hidden_state_shape,
            self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
        )


MEMORIES = {
    "whole": (WholePPO, GatewisePolicy),
    "gatewise": (RecurrentPPO, GatewisePolicy),
    "torch": (RecurrentPPO, RecurrentActorCriticPolicy),
    "none": (PPO, "MlpPolicy"),
}


def hide_velocities() -> gymnasium.Env:
    """Make a CartPole that shows two of its four numbers, both ±1 where an episode ends."""
    env = gymnasium.make("CartPole-v1")
    ends = np.array([2.4, np.radians(12)], dtype=np.float32)
    seen = gymnasium.spaces.Box(-2, 2, (2,))
    return TransformObservation(env, lambda state: state[[0, 2]] / ends, seen)


def make_carts(seed: int) -> VecEnv:
    """Make eight carts."""
    return make_vec_env(hide_velocities, n_envs=8, seed=seed)


def build(memory: str, seed: int, hidden: int = 64, **settings: Any) -> BaseAlgorithm:
    """Make the learner; ``settings`` are arguments of its class."""
    algorithm, policy = MEMORIES[memory]
    kwargs = {} if memory == "none" else {"lstm_hidden_size": hidden}
    given = {**SETTINGS, **settings, "policy_kwargs": kwargs, "device": "cpu"}
    return algorithm(policy, make_carts(seed), seed=seed, **given)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Do what the command line asks."""
    given = parse(arguments)
    model, start = build(given.memory, given.seed, given.hidden), time.perf_counter()
    model.learn(given.steps)
    seconds = time.perf_counter() - start
    reward, spread = evaluate_policy(model, make_carts(given.seed + 1000), EPISODES)
    print(f"memory {given.memory}: return {reward:.0f} ± {spread:.0f} after {seconds:.0f} s")
    return {"metrics": {"return": reward}, "seconds": seconds, "settings": vars(given)}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Balance a pole whose speed is not shown.")
    parser.add_argument("--memory", choices=MEMORIES, default="whole")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=50_000, help="of all carts together")
    parser.add_argument("--hidden", type=int, default=64, help="units of each LSTM")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    torch.set_num_threads(1)  # it is all small matrices
    main()
