// Settings that teach something. `held` holds gates, `weights` and `start` fill fields, `x` is the
// sequence; what a preset does not name stays, but for those that begin afresh. `step` is shown then.
"use strict";

const CATCHING = {x: 12, b: -6};

const PRESETS = {
  equations: {
    afresh: true, step: 1,
    says: "Every gate follows its equation again, with the weights and inputs of the beginning.",
  },
  carry: {
    held: {lstm: {forget: 1, update: 0}, gru: {update: 0}}, step: Infinity,
    says: "Nothing is erased and nothing is written: whatever the inputs are, the memory line only carries.",
  },
  forget: {
    held: {lstm: {forget: 0, update: 1}, gru: {update: 1}}, step: Infinity,
    says: "Each step erases the old memory and writes the candidate in its place: a plain recurrent network.",
  },
  latch: {
    afresh: true, step: 3, x: [0, 0, 1, 0, 0, 0, 0, 0], start: {c: 0, a: 0},
    weights: {
      lstm: {
        update: {...CATCHING, a: 0}, forget: {x: -12, a: 0, b: 6}, output: {x: 0, a: 0, b: 4},
        candidate: {x: 2, a: 0, b: 0},
      },
      gru: {
        update: {...CATCHING, c: 0}, relevance: {x: 0, c: 0, b: 0},
        candidate: {x: 2, c: 0, b: 0, inside: 0},
      },
    },
    says: "Weights that watch for a 1: it opens the update gate, is written, and is then kept while zeros pass. "
      + "Put a 1 elsewhere, or take it away.",
  },
  count: {
    afresh: true, step: Infinity, x: [1, 0, 1, 1, 0, 0, 1, 0], start: {c: 0, a: 0},
    held: {lstm: {forget: 1}},
    weights: {
      lstm: {
        update: {...CATCHING, a: 0}, output: {x: 0, a: 0, b: 4}, candidate: {x: 4, a: 0, b: 0},
      },
    },
    says: "Γf = 1 keeps the whole memory and each 1 adds one to it: the LSTM counts. A tanh on the way out hides "
      + "the count; the notes' form shows it. A GRU cannot do this: its memory is always a mean, between −1 and 1.",
  },
};
