"use strict";
// Shows what trains, and asks again every two seconds as long as the page is looked at.
const section = document.getElementById("live");
const body = section.querySelector("tbody");
const fixed = (value, digits) => (value == null ? "" : value.toFixed(digits));
const span = (seconds) =>
  seconds == null ? "" : seconds < 60 ? `${Math.round(seconds)} s` : seconds < 3600 ? `${Math.floor(seconds / 60)} min`
    : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
function row({ name, pid, standing, error }) {
  const step = standing?.step;
  const losses = (standing?.epochs ?? []).map((epoch) => epoch.val_loss);
  const cells = [
    name,
    pid == null ? (error ? `failed: ${error}` : "interrupted") : step?.phase ?? "starts",
    step?.epoch ? `${step.epoch} of ${step.epochs}` : "",
    step ? `${step.done.toLocaleString("en")} of ${step.total.toLocaleString("en")}` : "",
    pid == null ? "" : fixed(step?.rate, 1),
    fixed(step?.loss, 4),
    losses.length ? fixed(Math.min(...losses), 4) : "",
    pid == null ? "" : span(step?.left),
  ];
  const tr = document.createElement("tr");
  cells.forEach((text, column) => {
    const cell = document.createElement(column ? "td" : "th");
    if (!column) cell.scope = "row";
    if (column > 1) cell.className = "n";
    cell.textContent = text;
    tr.append(cell);
  });
  return tr;
}
async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/live.json");
      const live = answer.ok ? await answer.json() : [];
      section.hidden = live.length === 0;
      body.replaceChildren(...live.map(row));
    } catch {
      section.hidden = true;
    }
  }
  setTimeout(look, 2000);
}
look();
