// What the page says of a step and of the whole run: numbers, equations and sentences.
"use strict";

// Two decimals; a whole number, which is exact, without any.
function short(value) {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(2);
  return (/^-0(\.0*)?$/.test(text) ? text.slice(1) : text).replace("-", "−");
}

function exact(value) {
  return String(value).replace("-", "−");
}

function percent(share) {
  if (share === 0 || share === 1) return `${100 * share} %`;
  if (share > 0.9995) return "almost 100 %";
  return share < 0.0005 ? "less than 0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

// A small share as 2.1·10⁻⁵, others with three decimals.
function smallShare(value) {
  if (Number.isInteger(value) || value >= 0.001) return Number.isInteger(value) ? String(value) : value.toFixed(3);
  const [digits, power] = value.toExponential(1).split("e");
  return `${digits}·10^{${power.replace("-", "−")}}`;
}

function factor(value) {
  return value < 0 ? `(${short(value)})` : short(value);
}

// [[2, 0.5], [-1, 3], [0.1]] as "2·0.50 − 1·3 + 0.10"
function sum(terms) {
  return terms.map(([first, ...others], i) => {
    const product = [short(Math.abs(first)), ...others.map(factor)].join("·");
    if (i === 0) return first < 0 ? `−${product}` : product;
    return `${first < 0 ? "−" : "+"} ${product}`;
  }).join(" ");
}

// An equation with its numbers: symbol = formula = filled in = value, and what torch calls it.
function gateEquation(kind, symbol, letter, state, w, step, torch, held) {
  const formula = `σ(w_{${letter}x} x^{⟨t⟩} + w_{${letter}${state}} ${state}^{⟨t−1⟩} + b_{${letter}})`;
  const filled = held
    ? `held at ${short(step[kind])}, as a bias of ${step[kind] ? "+" : "−"}1000 would`
    : preactivation("σ", [[w.x, step.x], [w[state], step.before[state]], [w.b]]);
  return {kind, symbol, formula, filled, value: step[kind], torch, held};
}

function preactivation(name, terms) {
  const total = terms.reduce((whole, term) => whole + term.reduce((a, b) => a * b, 1), 0);
  return `${name}(${sum(terms)}) = ${name}(${short(total)})`;
}

function lstmEquations(w, step, form, held) {
  const {x, before, candidate, update, forget, output, c} = step;
  const v = w.candidate;
  const squashed = form.outputActivation === "tanh";
  const gate = (kind, letter, torch) =>
    gateEquation(kind, `Γ_{${letter}}`, letter, "a", w[kind], step, torch, held[kind]);
  return [
    {
      kind: "candidate", symbol: "c̃^{⟨t⟩}", torch: "g", value: candidate,
      formula: "tanh(w_{cx} x^{⟨t⟩} + w_{ca} a^{⟨t−1⟩} + b_{c})",
      filled: preactivation("tanh", [[v.x, x], [v.a, before.a], [v.b]]),
    },
    gate("update", "u", "i"), gate("forget", "f", "f"), gate("output", "o", "o"),
    {
      kind: "memory", symbol: "c^{⟨t⟩}", torch: "c", value: c,
      formula: "Γ_{u} ∗ c̃^{⟨t⟩} + Γ_{f} ∗ c^{⟨t−1⟩}",
      filled: sum([[update, candidate], [forget, before.c]]),
    },
    {
      kind: "activation", symbol: "a^{⟨t⟩}", torch: "h", value: step.a,
      formula: squashed ? "Γ_{o} ∗ tanh c^{⟨t⟩}" : "Γ_{o} ∗ c^{⟨t⟩}",
      filled: squashed ? `${short(output)}·tanh(${short(c)})` : sum([[output, c]]),
    },
  ];
}

function gruEquations(w, step, form, held) {
  const {x, before, relevance, update, kept, candidate, reset, c} = step;
  const v = w.candidate;
  const gate = (kind, letter, torch) =>
    gateEquation(kind, `Γ_{${letter}}`, letter, "c", w[kind], step, torch, held[kind]);
  const inside = `(${sum([[v.c, before.c], [v.inside]])})`;
  return [
    gate("relevance", "r", "r"),
    gate("update", "u", "1 − z"),
    form.resetAfter
      ? {
        kind: "candidate", symbol: "c̃^{⟨t⟩}", torch: "n", value: candidate,
        formula: "tanh(w_{cx} x^{⟨t⟩} + b_{c} + Γ_{r} ∗ (w_{cc} c^{⟨t−1⟩} + b′))",
        filled: `tanh(${sum([[v.x, x], [v.b]])} + ${short(relevance)}·${inside}) = `
          + `tanh(${short(v.x * x + v.b + reset)})`,
      }
      : {
        kind: "candidate", symbol: "c̃^{⟨t⟩}", torch: "n", value: candidate,
        formula: "tanh(w_{cx} x^{⟨t⟩} + w_{cc} (Γ_{r} ∗ c^{⟨t−1⟩}) + b_{c})",
        filled: preactivation("tanh", [[v.x, x], [v.c, relevance, before.c], [v.b]]),
      },
    {
      kind: "memory", symbol: "c^{⟨t⟩}", torch: "h", value: c,
      formula: "Γ_{u} ∗ c̃^{⟨t⟩} + (1 − Γ_{u}) ∗ c^{⟨t−1⟩}",
      filled: sum([[update, candidate], [kept, before.c]]),
    },
    {
      kind: "activation", symbol: "a^{⟨t⟩}", torch: "h", value: c, formula: "c^{⟨t⟩}", filled: "",
    },
  ];
}

function stepSentence(cell, step) {
  const {t, before, candidate, update, kept} = step;
  const wrote = `writes ${percent(update)} of the candidate ${short(candidate)}`;
  const memory = `c^{⟨${t}⟩} = ${short(step.c)}`;
  const old = `${percent(kept)} of c^{⟨${t - 1}⟩} = ${short(before.c)}`;
  if (cell === "gru") {
    return `Step ${t}: the update gate ${wrote} and so leaves ${old}: ${memory}. `
      + `The candidate was allowed to see ${percent(step.relevance)} of the old memory.`;
  }
  return `Step ${t}: the forget gate keeps ${old}, the update gate ${wrote}: ${memory}. `
    + `The output gate shows ${percent(step.output)} of it: a^{⟨${t}⟩} = ${short(step.a)}.`;
}

// What became of the first memory.
function finding(steps) {
  const last = steps.at(-1);
  const [first, T] = [steps[0].before.c, last.t];
  const carried = steps.every((step) => step.kept === 1 && step.update === 0) && last.c === first;
  if (carried) {
    return `c^{⟨${T}⟩} = ${exact(last.c)} = c^{⟨0⟩}: after ${T} steps it is the very same number, to the last bit.`;
  }
  if (last.left === 0) {
    return `Nothing of c^{⟨0⟩} is left: c^{⟨${T}⟩} = ${short(last.c)} does not depend on it along the memory line.`;
  }
  return `Of c^{⟨0⟩} = ${short(first)} the memory line still carries ${percent(last.left)} at step ${T}; `
    + `with what was written since, c^{⟨${T}⟩} = ${short(last.c)}.`;
}

// dc⟨T⟩/dc⟨0⟩ along the memory line, as the product that it is.
function survival(cell, steps) {
  const [T, symbol] = [steps.length, cell === "lstm" ? "Γ_{f}" : "(1 − Γ_{u})"];
  const factors = steps.map((step) => short(step.kept)).join(" · ");
  const product = `${symbol}^{⟨1⟩} · ${symbol}^{⟨2⟩} · … · ${symbol}^{⟨${T}⟩}`;
  return [`dc^{⟨${T}⟩} / dc^{⟨0⟩} = ${product}`, `= ${factors}`, `= ${smallShare(steps.at(-1).left)}`];
}
