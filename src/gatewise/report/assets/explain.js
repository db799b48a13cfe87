// The page's behaviour: fields → one run of the cell → drawings, equations, sentences and the table.
"use strict";

const HOLD = 1000; // a bias so large that σ is exactly 0 or 1
const PLAY_MILLISECONDS = 900;

const page = {step: 1, playing: 0};
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const chosen = (name) => one(`input[name="${name}"]:checked`).value;

// The number in a field; where there is none, or it is out of range, the last good one, and it is said.
function numberIn(field) {
  const value = field.valueAsNumber;
  const good = Number.isFinite(value) && value >= +field.min && value <= +field.max;
  field.setAttribute("aria-invalid", String(!good));
  if (good) field.dataset.good = value;
  return Number(field.dataset.good ?? field.defaultValue);
}

function complaint() {
  const field = one('input[aria-invalid="true"]');
  if (!field) return "";
  const minus = (text) => text.replace("-", "−");
  const name = field.ariaLabel ?? field.labels[0].textContent.trim();
  return `${name}: write a number from ${minus(field.min)} to ${minus(field.max)}; `
    + `until then ${short(Number(field.dataset.good ?? field.defaultValue))} counts.`;
}

// The settings as they stand on the page.
function settings() {
  const cell = chosen("cell");
  const [w, held] = [{}, {}];
  for (const card of all(`.gate[data-cell="${cell}"]`)) {
    const kind = card.dataset.gate;
    const fields = [...card.querySelectorAll("[data-weight]")];
    w[kind] = Object.fromEntries(fields.map((field) => [field.dataset.weight, numberIn(field)]));
    const holding = card.querySelector("input[type=radio]:checked")?.value ?? "equation";
    held[kind] = holding !== "equation";
    for (const field of fields) field.disabled = held[kind];
    if (held[kind]) w[kind] = {x: 0, a: 0, c: 0, b: holding === "1" ? HOLD : -HOLD};
  }
  const form = cell === "lstm"
    ? {outputActivation: chosen("output")}
    : {resetAfter: chosen("candidate-form") === "after"};
  if (cell === "gru" && !form.resetAfter) w.candidate.inside = 0; // the notes have one bias there
  const start = {c: numberIn(one(".c0")), a: numberIn(one(".a0"))};
  if (cell === "gru") start.a = start.c;
  return {cell, w, held, form, start, xs: all(".x").map(numberIn)};
}

function fill(element, ...formulas) {
  element.replaceChildren(...formulas.map(written));
}

function showEquations({cell, w, form, held}, step) {
  const equations = (cell === "lstm" ? lstmEquations : gruEquations)(w, step, form, held);
  one("#equations").replaceChildren(...equations.map((equation) => {
    const item = document.createElement("li");
    item.className = equation.kind;
    item.dataset.value = equation.value;
    const line = (name, ...formulas) => {
      const element = document.createElement("div");
      element.className = name;
      fill(element, ...formulas);
      return element;
    };
    const torch = line("torch", `torch: ${equation.torch}`);
    item.append(line("symbols", `${equation.symbol} = ${equation.formula}`), torch);
    item.append(line("numbers", `= ${equation.filled ? `${equation.filled} = ` : ""}`));
    const value = document.createElement("strong");
    value.textContent = short(equation.value);
    item.lastChild.append(value);
    return item;
  }));
}

const COLUMNS = {
  lstm: [
    ["x", "x^{⟨t⟩}"], ["candidate", "c̃^{⟨t⟩}"], ["update", "Γ_{u}"], ["forget", "Γ_{f}"],
    ["output", "Γ_{o}"], ["c", "c^{⟨t⟩}"], ["a", "a^{⟨t⟩}"], ["left", "Γ_{f}^{⟨1⟩} ⋯ Γ_{f}^{⟨t⟩}"],
  ],
  gru: [
    ["x", "x^{⟨t⟩}"], ["relevance", "Γ_{r}"], ["update", "Γ_{u}"], ["candidate", "c̃^{⟨t⟩}"],
    ["c", "c^{⟨t⟩} = a^{⟨t⟩}"], ["left", "(1−Γ_{u})^{⟨1⟩} ⋯ (1−Γ_{u})^{⟨t⟩}"],
  ],
};

function showTable(cell, steps) {
  const make = (kind, content) => {
    const element = document.createElement(kind);
    element.append(content);
    return element;
  };
  const head = make("tr", make("th", "t"));
  head.append(...COLUMNS[cell].map(([, symbol]) => make("th", written(symbol))));
  const rows = [{t: 0, ...steps[0].before}, ...steps].map((step) => {
    const row = make("tr", make("th", String(step.t)));
    row.classList.toggle("taken", step.t === page.step);
    for (const [name] of COLUMNS[cell]) {
      const value = step[name];
      const field = make("td", value === undefined ? "–" : tableNumber(value));
      if (value !== undefined) Object.assign(field.dataset, {name, value});
      row.append(field);
    }
    return row;
  });
  one("#steps thead").replaceChildren(head);
  one("#steps tbody").replaceChildren(...rows);
}

function tableNumber(value) {
  return (Number.isInteger(value) ? String(value) : value.toFixed(4)).replace("-", "−");
}

// What belongs to one cell only is shown with it.
function showParts(cell) {
  document.documentElement.dataset.cell = cell;
  for (const part of all("[data-cell]:not(html)")) part.hidden = part.dataset.cell !== cell;
}

function showTransport(count) {
  all(".step").forEach((button, i) => {
    const here = i + 1 === page.step;
    if (here) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
  one("#first").disabled = one("#back").disabled = page.step === 1;
  one("#last").disabled = one("#forward").disabled = page.step === count;
  one("#play").textContent = page.playing ? "Pause" : "Play";
  one("#now").textContent = `step ${page.step} of ${count}`;
}

function update() {
  const set = settings();
  const steps = runCell(set.cell, set.w, set.xs, set.start, set.form);
  const step = steps[page.step - 1];
  showParts(set.cell);
  drawCell(one("#cell"), set.cell, set.form, step, set.w);
  placeControls(one("#chain-holder"), drawChain(one("#chain"), set.cell, steps, page.step));
  showEquations(set, step);
  showTable(set.cell, steps);
  showTransport(steps.length);
  fill(one("#sentence"), stepSentence(set.cell, step));
  fill(one("#finding"), finding(steps));
  fill(one("#survival"), ...survival(set.cell, steps));
  one("#complaint").textContent = complaint();
  for (const field of all("input[type=range]")) field.nextElementSibling.value = short(field.valueAsNumber);
  for (const gauge of all(`.gate[data-cell="${set.cell}"] .now`)) {
    const value = step[gauge.closest(".gate").dataset.gate];
    gauge.textContent = short(value);
  }
}

function goTo(step) {
  page.step = Math.min(all(".step").length, Math.max(1, step));
  update();
}

function pause() {
  clearInterval(page.playing);
  page.playing = 0;
}

function play() {
  const last = all(".step").length;
  if (page.step === last) page.step = 1;
  page.playing = setInterval(() => {
    if (page.step + 1 >= last) pause();
    goTo(page.step + 1);
  }, PLAY_MILLISECONDS);
  update();
}

function walk(step) {
  pause();
  goTo(step);
}

function startAfresh() {
  for (const field of all(".settings input")) {
    if (field.type === "radio") field.checked = field.defaultChecked;
    else field.value = field.defaultValue;
  }
}

function take(preset) {
  const cell = chosen("cell");
  if (preset.afresh) startAfresh();
  const card = (kind) => one(`.gate[data-cell="${cell}"][data-gate="${kind}"]`);
  for (const [kind, weights] of Object.entries(preset.weights?.[cell] ?? {})) {
    for (const [name, value] of Object.entries(weights)) {
      card(kind).querySelector(`[data-weight="${name}"]`).value = value;
    }
  }
  for (const [kind, value] of Object.entries(preset.held?.[cell] ?? {})) {
    card(kind).querySelector(`input[type=radio][value="${value}"]`).checked = true;
  }
  preset.x?.forEach((value, i) => { all(".x")[i].value = value; });
  if (preset.start) [one(".c0").value, one(".a0").value] = [preset.start.c, preset.start.a];
  one("#preset-says").textContent = preset.says;
  walk(preset.step);
}

function saveTable() {
  const rows = all("#steps tr").map((row) => [...row.children].map((field) =>
    field.dataset.value ?? (field.textContent === "–" ? "" : field.textContent)));
  saveFile(`gatewise-${chosen("cell")}-steps.csv`, csv(rows), "text/csv");
}

const KEYS = {
  ArrowLeft: () => walk(page.step - 1), ArrowRight: () => walk(page.step + 1),
  Home: () => walk(1), End: () => walk(Infinity),
};

function onKey(event) {
  const act = KEYS[event.key];
  const typing = event.target.matches("input, select, textarea");
  if (!act || typing || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  act();
}

const BUTTONS = {
  first: () => walk(1), back: () => walk(page.step - 1), forward: () => walk(page.step + 1),
  last: () => walk(Infinity), "save-table": saveTable,
  play: () => { if (page.playing) { pause(); update(); } else play(); },
  "save-cell": () => savePicture(one("#cell"), `gatewise-${chosen("cell")}-step-${page.step}`),
  "save-chain": () => savePicture(one("#chain"), `gatewise-${chosen("cell")}-chain`),
};

for (const [id, act] of Object.entries(BUTTONS)) one(`#${id}`).addEventListener("click", act);
for (const button of all("[data-preset]")) {
  button.addEventListener("click", () => take(PRESETS[button.dataset.preset]));
}
all(".step").forEach((button, i) => button.addEventListener("click", () => walk(i + 1)));
addEventListener("keydown", onKey);
addEventListener("input", () => {
  one("#preset-says").textContent = "";
  update();
});
addEventListener("resize", update);
addEventListener("beforeprint", () => {
  pause();
  document.documentElement.dataset.printing = "";
  update();
});
addEventListener("afterprint", () => {
  delete document.documentElement.dataset.printing;
  update();
});
update();
