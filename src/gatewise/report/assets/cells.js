// One step of the LSTM and of the GRU, with one unit and one input: the lecture notes' equations,
// line by line as in gatewise/cells/lstm.py and gru.py. On the right stand torch's letters.
"use strict";

function sigmoid(s) {
  return 1 / (1 + Math.exp(-s)); // σ; exp may overflow to Infinity, and then this is 0 as it should
}

// Long short-term memory. w has the weights of each gate and of the candidate: w.forget is
// {x: w_fx, a: w_fa, b: b_f}. outputActivation is "tanh" (the standard) or "identity" (the notes).
function lstmStep(w, x, a, c, outputActivation = "tanh") {
  const before = (v) => v.x * x + v.a * a + v.b;
  const candidate = Math.tanh(before(w.candidate)); // c̃⟨t⟩ = tanh(w_cx x⟨t⟩ + w_ca a⟨t−1⟩ + b_c)   g
  const update = sigmoid(before(w.update));         // Γu   = σ(w_ux x⟨t⟩ + w_ua a⟨t−1⟩ + b_u)      i
  const forget = sigmoid(before(w.forget));         // Γf   = σ(w_fx x⟨t⟩ + w_fa a⟨t−1⟩ + b_f)      f
  const output = sigmoid(before(w.output));         // Γo   = σ(w_ox x⟨t⟩ + w_oa a⟨t−1⟩ + b_o)      o
  const memory = update * candidate + forget * c;   // c⟨t⟩ = Γu ∗ c̃⟨t⟩ + Γf ∗ c⟨t−1⟩
  const shown = outputActivation === "tanh" ? Math.tanh(memory) : memory;
  const activation = output * shown;                // a⟨t⟩ = Γo ∗ tanh c⟨t⟩, or Γo ∗ c⟨t⟩           h
  return {candidate, update, forget, output, kept: forget, c: memory, shown, a: activation};
}

// Gated recurrent unit; its memory is its activation. w.candidate has one number more than the gates
// have, inside: the bias next to w_cc c⟨t−1⟩. The candidate resets the memory first
// (resetAfter = false: the notes' and the paper's form) or its product (true: torch's form).
// torch's z = 1 − Γu keeps the old memory, the notes' Γu writes the new one.
function gruStep(w, x, c, resetAfter = false) {
  const before = (v) => v.x * x + v.c * c + v.b;
  const relevance = sigmoid(before(w.relevance)); // Γr = σ(w_rx x⟨t⟩ + w_rc c⟨t−1⟩ + b_r)           r
  const update = sigmoid(before(w.update));       // Γu = σ(w_ux x⟨t⟩ + w_uc c⟨t−1⟩ + b_u)       1 − z
  const kept = 1 - update;                        // 1 − Γu                                          z
  const v = w.candidate;
  const reset = resetAfter
    ? relevance * (v.c * c + v.inside)            // Γr ∗ (w_cc c⟨t−1⟩ + b′)
    : relevance * c;                              // Γr ∗ c⟨t−1⟩
  const candidate = Math.tanh(resetAfter
    ? v.x * x + v.b + reset                       // c̃⟨t⟩ = tanh(w_cx x⟨t⟩ + b_c + Γr ∗ (…))          n
    : v.x * x + v.c * reset + v.b + v.inside);    // c̃⟨t⟩ = tanh(w_cx x⟨t⟩ + w_cc Γr ∗ c⟨t−1⟩ + b_c)  n
  const memory = update * candidate + kept * c;   // c⟨t⟩ = Γu ∗ c̃⟨t⟩ + (1 − Γu) ∗ c⟨t−1⟩            h
  return {relevance, update, kept, reset, candidate, c: memory, a: memory};
}

// All steps of a sequence. Each step also knows what went in (x, before), and of the first memory
// how much is left: the running product of what the steps kept.
function runCell(cell, w, xs, start, form) {
  const steps = [];
  let state = {...start, left: 1};
  for (const x of xs) {
    const made = cell === "lstm"
      ? lstmStep(w, x, state.a, state.c, form.outputActivation)
      : gruStep(w, x, state.c, form.resetAfter);
    steps.push({t: steps.length + 1, x, before: state, ...made, left: state.left * made.kept});
    state = steps.at(-1);
  }
  return steps;
}
