"use strict";
// Sorts tables by the columns whose heading is pressed. Rows keep their order where they are equal, what has
// no value comes last, and the rows of a second body (means) stay where they are.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  const heads = [...table.tHead.querySelectorAll("th[data-c]")];
  heads.forEach((head) => {
    const column = Number(head.dataset.c);
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const key = (row) => {
        const cell = row.cells[column];
        return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent.trim();
      };
      const rows = [...body.rows].map((row) => [key(row), row]);
      const numbers = rows.some(([value]) => typeof value === "number");
      // The first press shows what is usually looked for: the largest number, or A.
      const last = head.getAttribute("aria-sort") ?? (numbers ? "ascending" : "descending");
      const up = last === "descending";
      const missing = (value) => value === "" || (numbers && typeof value !== "number");
      rows.sort(([a], [b]) => {
        if (missing(a) || missing(b)) return missing(a) - missing(b);
        const order = numbers ? a - b : a < b ? -1 : a > b ? 1 : 0;
        return up ? order : -order;
      });
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...rows.map(([, row]) => row));
    });
  });
}
// An id leads into the lineage: opens what lies around its place, and the place itself.
function unfold() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  for (let at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  place.scrollIntoView({ block: "center" });
  (place.querySelector("summary") ?? place).focus({ preventScroll: true });
}
addEventListener("hashchange", unfold);
unfold();
// Paper cannot be unfolded: what belongs on it is.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.prints")) fold.open = true;
});
