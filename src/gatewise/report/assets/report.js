// On paper nothing can be opened: what is folded is unfolded for it.
"use strict";

const unfolded = [];
addEventListener("beforeprint", () => {
  unfolded.push(...document.querySelectorAll("details:not([open])"));
  for (const details of unfolded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of unfolded.splice(0)) details.open = false;
});
