// Drawing in SVG: shapes, formulas in a short notation, and a drawing saved as PNG.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function shape(kind, attributes, ...children) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// "w_{fx} x^{⟨t⟩}" as pieces {text, level}, level being "", "_" (low) or "^" (high).
function pieces(formula) {
  return formula.split(/([_^]\{[^}]*\})/).filter(Boolean).map((part) =>
    /^[_^]\{/.test(part) ? {level: part[0], text: part.slice(2, -1)} : {level: "", text: part});
}

// A formula as HTML.
function written(formula) {
  const result = document.createElement("span");
  for (const {level, text} of pieces(formula)) {
    if (level === "") {
      result.append(text);
    } else {
      const element = document.createElement(level === "_" ? "sub" : "sup");
      element.textContent = text;
      result.append(element);
    }
  }
  return result;
}

// A formula at a place of a drawing.
function drawnText(formula, x, y, attributes = {}) {
  const text = shape("text", {x, y, ...attributes});
  let height = 0;
  for (const piece of pieces(formula)) {
    const wanted = {"": 0, _: 0.25, "^": -0.35}[piece.level];
    const span = shape("tspan", {dy: `${wanted - height}em`}, piece.text);
    if (piece.level) span.setAttribute("class", "small");
    if (piece.level) span.setAttribute("dy", `${(wanted - height) / SMALL}em`);
    text.append(span);
    height = wanted;
  }
  return text;
}

const SMALL = 0.72; // of .small in explain.css: an em there is shorter

const KEPT_STYLES = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-linejoin",
  "stroke-linecap", "stroke-dasharray", "opacity", "paint-order", "display",
  "font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "text-anchor",
];

// A copy of a drawing that needs no style sheet: each shape has its looks on itself.
function standalone(svg) {
  const {width, height} = svg.getBoundingClientRect();
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const copies = [copy, ...copy.querySelectorAll("*")];
  [svg, ...svg.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of KEPT_STYLES) copies[i].style.setProperty(name, style.getPropertyValue(name));
  });
  for (const hidden of copy.querySelectorAll(".saved-only")) hidden.style.display = "inline";
  return {copy, width, height};
}

// Save a drawing as PNG, in the page's colours, at three times its size on the screen.
function savePicture(svg, name) {
  const {copy, width, height} = standalone(svg);
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(3 * width), Math.round(3 * height)];
    const context = canvas.getContext("2d");
    context.fillStyle = colour("paper");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => saveFile(`${name}.png`, blob, "image/png"));
  });
  const text = new XMLSerializer().serializeToString(copy);
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
