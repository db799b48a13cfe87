// The page of a look inside: which layer is shown, the curves of a unit, the curve of an output.
"use strict";

function isMap(trace) {
  return trace.type === "heatmap";
}

// A unit's curves are its rows in the heat maps, as they are shown.
function unitFigure(maps, unit, lines) {
  const data = maps
    .filter((map) => map.y.includes(unit))
    .map((map, i) => ({
      type: "scatter", mode: "lines", name: map.name.replace(/ \(.*/, ""), x: map.x,
      y: map.z[map.y.indexOf(unit)],
      line: {
        color: lines[i % lines.length][0], dash: lines[i % lines.length][1],
        width: i < lines.length ? 1.5 : 3,
      },
    }));
  const layout = {
    height: 300, margin: {l: 50, r: 10, t: 40, b: 40}, hovermode: "x",
    font: {family: "system-ui, sans-serif", size: 12},
    legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0}, xaxis: {}, yaxis: {automargin: true},
  };
  return {data, layout};
}

function connectUnits(section) {
  const select = section.querySelector("select.unit");
  if (!select) return;
  const [chart, curves] = section.querySelectorAll(".chart");
  const {data, layout} = charts.get(chart);
  const maps = data.filter(isMap);
  const show = () => {
    draw(curves, unitFigure(maps, select.value, layout.meta.lines));
  };
  show();
  addButtons(curves, curves.dataset.name);
  select.addEventListener("change", show);
  chart.on("plotly_click", ({points: [point]}) => {
    if (!isMap(point.data)) return;
    select.value = point.y;
    show();
  });
}

function connectOutputs(section) {
  const select = section.querySelector("select.output");
  if (!select) return;
  const chart = section.querySelector(".chart");
  const figure = charts.get(chart);
  const map = figure.data.find(isMap);
  const curve = figure.data.find((trace) => !isMap(trace));
  const title = curve.name.slice(0, curve.name.length - map.y.at(-1).length);
  for (const row of map.y) select.add(new Option(plain(row), row));
  const show = (row) => {
    select.value = row;
    curve.y = map.z[map.y.indexOf(row)];
    curve.name = title + row;
    figure.layout.datarevision = row;
    draw(chart, figure);
  };
  show(map.y.at(-1));
  select.addEventListener("change", () => show(select.value));
  chart.on("plotly_click", ({points: [point]}) => isMap(point.data) && show(point.y));
}

const connected = new Set();

function connect(block) {
  if (connected.has(block)) return;
  connected.add(block);
  block.querySelectorAll(".gates").forEach(connectUnits);
  block.querySelectorAll(".influence").forEach(connectOutputs);
}

async function show(number) {
  const blocks = [...document.querySelectorAll(".block")];
  blocks.forEach((block, i) => { block.hidden = i !== number; });
  await drawWithin(blocks[number]);
  connect(blocks[number]);
  redraw();
}

document.querySelector("#block")?.addEventListener("change", (event) => show(+event.target.value));
drawn.then(() => connect(document.querySelector(".block")));
