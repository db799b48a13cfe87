// Draws every .chart from the figure that stands in it as JSON, in the page's colours, with buttons
// that save it as PNG and its numbers as CSV (saving.js).
"use strict";

const charts = new Map(); // element → figure

// The layout of a figure in the page's colours, for light, dark and print.
function themed(layout) {
  const [ink, line, paper] = ["ink", "line", "paper"].map(colour);
  const result = {
    ...layout, paper_bgcolor: paper, plot_bgcolor: paper, font: {...layout.font, color: ink},
  };
  for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    result[key] = {...layout[key], gridcolor: line, zerolinecolor: line, linecolor: line};
  }
  return result;
}

// Heat maps travel as 16-bit integers: z = packed · scale, −32768 where there is none.
function unpack(figure) {
  for (const trace of figure.data) {
    if (!trace.packed) continue;
    const {bytes, shape, scale} = trace.packed;
    const raw = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    const view = new DataView(raw.buffer);
    const value = (place) => {
      const packed = view.getInt16(2 * place, true);
      return packed === -32768 ? null : +(packed * scale).toPrecision(4);
    };
    const [rows, columns] = shape;
    trace.z = Array.from({length: rows}, (_, row) =>
      Array.from({length: columns}, (_, column) => value(row * columns + column)));
    delete trace.packed;
  }
  return figure;
}

function draw(element, figure) {
  charts.set(element, figure);
  const config = {responsive: true, displayModeBar: false};
  return Plotly.react(element, figure.data, themed(figure.layout), config);
}

function redraw() {
  for (const [element, figure] of charts) if (!element.closest("[hidden]")) draw(element, figure);
}

// What a name says, of which Plotly was told with its "<" and "&" escaped.
function plain(text) {
  return new DOMParser().parseFromString(text ?? "", "text/html").body.textContent;
}

// The numbers of a figure as shown, a row each: of a line x and y, of a heat map x, y and z.
function numbersOf(figure) {
  const rows = [["series", "x", "y", "value"]];
  for (const trace of figure.data) {
    if (trace.visible === false || trace.visible === "legendonly") continue;
    const name = plain(trace.name);
    if (trace.z) {
      trace.z.forEach((row, i) => {
        const y = plain(trace.y[i]);
        row.forEach((z, j) => rows.push([name, trace.x[j], y, z]));
      });
    } else {
      (trace.x ?? []).forEach((x, i) => rows.push([name, x, trace.y[i], ""]));
    }
  }
  return csv(rows);
}

function addButtons(element, name) {
  const bar = document.createElement("div");
  bar.className = "save";
  const add = (label, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-label", `Save ${name} as ${label}`);
    button.addEventListener("click", act);
    bar.append(button);
  };
  add("PNG", () => {
    const {width, height} = element.getBoundingClientRect();
    Plotly.downloadImage(element, {format: "png", scale: 2, width, height, filename: name});
  });
  add("CSV", () => saveFile(`${name}.csv`, numbersOf(charts.get(element)), "text/csv"));
  element.after(bar);
}

// Draw the figures that stand inside an element, but those that are hidden: they wait. One after
// the other, so that the page can be read and scrolled meanwhile.
async function drawWithin(root) {
  for (const source of root.querySelectorAll(".chart > script")) {
    const element = source.parentElement;
    if (element.closest("[hidden]")) continue;
    await new Promise((done) => setTimeout(done));
    if (!source.isConnected) continue; // drawn by another call meanwhile
    const figure = unpack(JSON.parse(source.textContent));
    element.replaceChildren();
    draw(element, figure);
    addButtons(element, element.dataset.name);
  }
}

const drawn = drawWithin(document); // a promise: what needs a figure waits for it

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => {
  document.documentElement.dataset.printing = "";
  redraw();
  for (const [element, {layout}] of charts) {
    if (element.closest("[hidden]")) continue;
    const width = Number(element.dataset.printWidth) || 680;
    Plotly.relayout(element, {width, height: Math.min(layout.height, 940)}); // a page holds it
  }
});
addEventListener("afterprint", () => {
  delete document.documentElement.dataset.printing;
  redraw();
});
