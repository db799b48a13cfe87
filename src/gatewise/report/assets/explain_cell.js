// The cell of one step, drawn as in the lecture notes, with the step's numbers on its wires.
"use strict";

// What the parts of a picture are made of. `shows` names the value that a number tells, `gate` the
// one that opens a wire.
function wire(kind, path, gate = "") {
  return shape("path", {class: `wire ${kind}`, d: path, ...(gate && {"data-gate": gate})});
}

function hop(path) { // paper under a wire that crosses another
  return shape("path", {class: "hop", d: path});
}

function dot(x, y, kind) {
  return shape("circle", {class: `dot ${kind}`, cx: x, cy: y, r: 4.5});
}

function head(x, y, direction, kind) {
  const turn = {right: 0, down: 90, left: 180, up: 270}[direction];
  return shape("path", {
    class: `head ${kind}`, d: "M0 0 L-11 -6 L-11 6 Z", transform: `translate(${x} ${y}) rotate(${turn})`,
  });
}

function operation(sign, x, y, kind = "") {
  return shape("g", {class: `operation ${kind}`},
    shape("circle", {cx: x, cy: y, r: 14}),
    drawnText(sign, x, y + 6, {class: sign.length > 1 ? "sign little" : "sign"}));
}

function pill(label, x, y, width = 56) {
  return shape("g", {class: "operation"},
    shape("rect", {x: x - width / 2, y: y - 14, width, height: 28, rx: 14}),
    drawnText(label, x, y + 5, {class: "label"}));
}

const BOX = {width: 68, height: 46, y: 227};

// A gate or the candidate: a box that fills up as the gate opens.
function box(kind, symbol, name, x, isGate = true) {
  const at = {x: x - BOX.width / 2, y: BOX.y, width: BOX.width, height: BOX.height, rx: 7};
  const level = shape("rect", {class: "level", ...at, rx: 5, "data-level": kind});
  return shape("g", {class: `box ${kind}`},
    shape("rect", {class: "back", ...at}), ...(isGate ? [level] : []),
    shape("rect", {class: "edge", ...at}),
    drawnText(symbol, x - 3, BOX.y + 21, {class: "symbol"}),
    drawnText(name, x, BOX.y + 38, {class: "name"}));
}

function number(shows, x, y, anchor = "middle") {
  return shape("text", {class: "number", x, y, "text-anchor": anchor, "data-shows": shows});
}

function label(formula, x, y, anchor = "middle") {
  return drawnText(formula, x, y, {class: "label", "text-anchor": anchor});
}

function frame() {
  return shape("rect", {class: "body", x: 72, y: 56, width: 436, height: 320, rx: 20});
}

// The memory in and out on the left and right, and the activation that leaves below.
function ends(y) {
  return [
    label("c^{⟨t−1⟩}", 34, 84), number("before", 34, 126),
    label("c^{⟨t⟩}", 546, 84), number("c", 546, 126), head(578, 100, "right", "memory"),
    wire("plain", `M548 ${y} V272`), head(548, 264, "up", "plain"), label("ŷ^{⟨t⟩}", 548, 254),
    dot(548, y, "plain"), head(578, y, "right", "activation"),
    label("a^{⟨t⟩}", 546, y + 26), number("a", 546, y + 48),
  ];
}

function lstmPicture({outputActivation}) {
  const squashed = outputActivation === "tanh";
  return [
    frame(),
    // [a⟨t−1⟩, x⟨t⟩] to each gate
    wire("plain", "M4 318 H394 V273"), wire("plain", "M100 432 V318"), dot(100, 318, "plain"),
    ...[130, 218, 306].map((x) => wire("plain", `M${x} 318 V273`)),
    ...[130, 218, 306, 394].map((x) => head(x, 274, "up", "plain")),
    ...[130, 218, 306].map((x) => dot(x, 318, "plain")),
    // the memory line
    wire("memory", "M4 100 H116"), wire("memory", "M130 100 H292", "forget"),
    wire("memory", "M306 100 H568"),
    // gates on their way to it
    wire("forget", "M130 227 V126", "forget"), head(130, 115, "up", "forget"),
    wire("update", "M218 227 V172 H280", "update"), head(291, 172, "right", "update"),
    wire("candidate", "M306 227 V198"), head(306, 187, "up", "candidate"),
    wire("update", "M306 158 V126", "update"), head(306, 115, "up", "update"),
    // the way out
    dot(450, 100, "memory"), wire("memory thin", squashed ? "M450 100 V132" : "M450 100 V182"),
    ...(squashed ? [wire("memory thin", "M450 160 V182")] : []), head(450, 191, "down", "memory"),
    wire("output", "M394 227 V206 H424", "output"), head(435, 206, "right", "output"),
    wire("activation", "M450 220 V318 H568", "output"),
    operation("×", 130, 100), operation("+", 306, 100), operation("×", 306, 172),
    operation("×", 450, 206), ...(squashed ? [pill("tanh", 450, 146)] : []),
    box("forget", "Γ_{f}", "forget", 130), box("update", "Γ_{u}", "update", 218),
    box("candidate", "c̃", "tanh", 306, false), box("output", "Γ_{o}", "output", 394),
    number("forget", 139, 176, "start"), number("update", 250, 162), number("kept·c", 218, 87),
    number("candidate", 315, 215, "start"), number("written", 315, 143, "start"),
    number("output", 412, 196),
    ...(squashed ? [number("shown", 459, 181, "start")] : []),
    label("a^{⟨t−1⟩}", 34, 344), number("aBefore", 34, 366),
    label("x^{⟨t⟩}", 112, 410, "start"), number("x", 150, 410, "start"),
    ...ends(318),
  ];
}

function gruPicture({resetAfter}) {
  const product = [
    pill("w_{cc}c+b′", 292, 298, 84), wire("plain", "M292 284 V266"), wire("plain", "M292 330 V312"),
  ];
  return [
    frame(),
    // c⟨t−1⟩ along the upper rail, x⟨t⟩ along the lower
    wire("plain", "M60 100 V330 H292"), ...(resetAfter ? product : [wire("plain", "M292 330 V266")]),
    head(292, 265, "up", "plain"),
    wire("plain", "M120 330 V273"), wire("plain", "M220 330 V273"),
    dot(120, 330, "plain"), dot(220, 330, "plain"),
    hop("M140 356 V280"), hop("M240 356 V280"),
    wire("plain", "M100 432 V356 H404 V273"), wire("plain", "M140 356 V273"),
    wire("plain", "M240 356 V273"), dot(140, 356, "plain"), dot(240, 356, "plain"),
    ...[120, 140, 220, 240, 404].map((x) => head(x, 274, "up", "plain")),
    // the memory line, which is also the activation
    wire("memory", "M4 100 H216"), wire("memory", "M230 100 H380", "kept"),
    wire("memory", "M394 100 H568"), dot(60, 100, "memory"),
    // gates on their way to it
    wire("update", "M230 227 V172 H368", "update"), head(379, 172, "right", "update"),
    dot(230, 172, "update"), wire("update", "M230 172 V152", "kept"),
    wire("update", "M230 124 V115", "kept"),
    hop("M210 206 H250"), wire("relevance", "M130 227 V206 H292 V226", "relevance"),
    head(292, 235, "down", "relevance"),
    wire("relevance", "M306 250 H350", "relevance"), head(360, 250, "right", "relevance"),
    wire("candidate", "M394 227 V198"), head(394, 187, "up", "candidate"),
    wire("update", "M394 158 V126", "update"), head(394, 115, "up", "update"),
    dot(466, 100, "memory"), wire("activation", "M466 100 V330 H568"),
    operation("×", 230, 100), operation("1−", 230, 138, "update"), operation("+", 394, 100),
    operation("×", 394, 172), operation("×", 292, 250),
    box("relevance", "Γ_{r}", "relevance", 130), box("update", "Γ_{u}", "update", 230),
    box("candidate", "c̃", "tanh", 394, false),
    number("relevance", 178, 197), number("update", 300, 162), number("kept", 251, 144, "start"),
    number("kept·c", 312, 87), number("candidate", 403, 215, "start"), number("reset", 333, 240),
    number("written", 403, 143, "start"),
    ...(resetAfter ? [number("product", 300, 279, "start")] : []),
    label("x^{⟨t⟩}", 112, 410, "start"), number("x", 150, 410, "start"),
    ...ends(330),
  ];
}

// Everything that stands on the wires.
function valuesOnWires(step) {
  return {
    ...step, before: step.before.c, aBefore: step.before.a,
    "kept·c": step.kept * step.before.c, written: step.update * step.candidate,
  };
}

// Draw the cell anew where its form has changed; then tell the step's numbers and open its gates.
function drawCell(svg, cell, form, step, weights) {
  const key = JSON.stringify([cell, form]);
  if (svg.dataset.key !== key) {
    svg.dataset.key = key;
    const picture = cell === "lstm" ? lstmPicture(form) : gruPicture(form);
    svg.replaceChildren(svg.querySelector("title"), ...picture);
  }
  const values = valuesOnWires(step);
  if (form.resetAfter) values.product = weights.candidate.c * step.before.c + weights.candidate.inside;
  for (const element of svg.querySelectorAll("[data-shows]")) {
    element.textContent = short(values[element.dataset.shows]);
  }
  for (const element of svg.querySelectorAll("[data-gate]")) {
    const open = values[element.dataset.gate];
    element.style.strokeWidth = 1.5 + 5.5 * open;
    element.style.strokeOpacity = 0.3 + 0.7 * open;
    element.style.strokeDasharray = open === 0 ? "2 5" : "";
  }
  for (const element of svg.querySelectorAll("[data-level]")) {
    const height = values[element.dataset.level] * BOX.height;
    element.setAttribute("height", height);
    element.setAttribute("y", BOX.y + BOX.height - height);
  }
}
