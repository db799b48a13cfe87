// The cells chained through time, with the memory line running over all of them.
"use strict";

const CHAIN = {top: 24, line: 58, bars: 74, barHeight: 40, bottom: 168, input: 206, height: 224};
const LEFT = 60; // room for c⟨0⟩ and a⟨0⟩
const LEAST_WIDTH = 280; // also of a page that is not laid out yet, and has no width

const BARS = {
  lstm: [["forget", "Γ_{f}"], ["update", "Γ_{u}"], ["output", "Γ_{o}"]],
  gru: [["relevance", "Γ_{r}"], ["update", "Γ_{u}"]],
};

// Where the cells of a chain of so many steps stand, in a drawing of that width.
function placesOf(count, width) {
  const pitch = (width - LEFT - 6) / count;
  const cell = pitch - Math.min(22, Math.max(5, pitch * 0.16));
  return Array.from({length: count}, (_, i) => {
    const right = LEFT + pitch * (i + 1);
    return {left: right - cell, right, middle: right - cell / 2, width: cell, pitch};
  });
}

function gateBars(cell, step, place) {
  const each = (place.width - 6) / BARS[cell].length;
  const wide = each > 30;
  return BARS[cell].flatMap(([kind, symbol], i) => {
    const middle = place.left + 3 + each * (i + 0.5);
    const [width, y] = [Math.min(18, each * 0.62), CHAIN.bars];
    const height = step[kind] * CHAIN.barHeight;
    const at = {x: middle - width / 2, width, rx: 2};
    return [
      shape("rect", {class: "back", ...at, y, height: CHAIN.barHeight}),
      shape("rect", {class: `bar ${kind}`, ...at, y: y + CHAIN.barHeight - height, height}),
      drawnText(wide ? symbol : symbol[3], middle, y + CHAIN.barHeight + 12, {class: "tiny"}),
      ...(wide ? [drawnText(short(step[kind]), middle, y + CHAIN.barHeight + 25, {class: "tiny number"})] : []),
    ];
  });
}

function chainCell(cell, step, place, chosen) {
  const {left, middle, width} = place;
  const {top, bottom, input} = CHAIN;
  const result = [
    shape("rect", {class: chosen ? "body chosen" : "body", x: left, y: top, width, height: bottom - top, rx: 8}),
    drawnText(String(step.t), middle, 15, {class: chosen ? "time chosen" : "time"}),
    ...gateBars(cell, step, place),
    wire("plain", `M${middle} ${input - 16} V${bottom + 8}`), head(middle, bottom + 2, "up", "plain little"),
    drawnText(short(step.x), middle, input + 5, {class: "number saved-only"}),
  ];
  if (cell === "lstm") {
    const y = bottom - 22;
    result.push(wire("plain", `M${left - (place.pitch - width)} ${y} H${left}`),
      drawnText(short(step.a), middle, bottom - 7, {class: "number", "data-a": step.t}));
    if (place.width > 80) result.push(drawnText("a", left + 12, bottom - 7, {class: "tiny"}));
  }
  if (place.width > 80) result.push(drawnText("c", left + 12, CHAIN.line - 12, {class: "tiny"}));
  result.push(drawnText(short(step.c), middle, CHAIN.line - 12, {class: "number", "data-c": step.t}));
  return result;
}

// The memory line: thin as a thread, and on it a band as wide as what is left of c⟨0⟩.
function memoryLine(steps, places, width) {
  const y = CHAIN.line;
  const band = (from, to, left) => shape("path", {
    class: "band", d: `M${from} ${y} H${to}`, style: `stroke-width: ${11 * left}`, "data-left": left,
  });
  const result = [wire("memory thin", `M${LEFT - 8} ${y} H${width - 8}`)];
  steps.forEach((step, i) => {
    result.push(band(i ? places[i - 1].middle : LEFT - 8, places[i].middle, step.before.left));
  });
  result.push(band(places.at(-1).middle, width - 14, steps.at(-1).left), head(width, y, "right", "memory"));
  return result;
}

function drawChain(svg, cell, steps, chosen) {
  const width = Math.max(svg.parentElement.clientWidth, LEAST_WIDTH);
  svg.setAttribute("viewBox", `0 0 ${width} ${CHAIN.height}`);
  const places = placesOf(steps.length, width);
  const start = steps[0].before;
  const saved = {class: "number saved-only"};
  svg.replaceChildren(
    svg.querySelector("title"),
    ...steps.flatMap((step, i) => chainCell(cell, step, places[i], step.t === chosen)),
    ...memoryLine(steps, places, width),
    drawnText("c^{⟨0⟩}", 26, CHAIN.line - 20, {class: "label"}), drawnText(short(start.c), 26, CHAIN.line + 5, saved),
    drawnText("x^{⟨t⟩}", 26, CHAIN.input + 5, {class: "label"}),
    drawnText("t", 26, 15, {class: "time"}),
    ...(cell === "lstm" ? [drawnText("a^{⟨0⟩}", 26, CHAIN.bottom - 42, {class: "label"}),
      drawnText(short(start.a), 26, CHAIN.bottom - 17, saved)] : []),
  );
  return places;
}

// Put the fields and buttons of the page where the drawing has their wires.
function placeControls(holder, places) {
  const put = (element, middle, y, width, height) => Object.assign(element.style, {
    left: `${middle - width / 2}px`, top: `${y - height / 2}px`, width: `${width}px`, height: `${height}px`,
  });
  holder.querySelectorAll(".step").forEach((button, i) =>
    put(button, places[i].middle, CHAIN.bottom / 2 + 2, places[i].width, CHAIN.bottom));
  holder.querySelectorAll(".x").forEach((field, i) =>
    put(field, places[i].middle, CHAIN.input, Math.min(64, places[i].pitch - 3), 26));
  put(holder.querySelector(".c0"), 26, CHAIN.line, 50, 26);
  put(holder.querySelector(".a0"), 26, CHAIN.bottom - 22, 50, 26);
}
