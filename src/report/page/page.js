"use strict";
// Sorts tables by the columns whose heading is pressed. Rows keep their order where they are equal, what has
// no value comes last, and the rows of a second body (means) stay where they are.
function sortable(table) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2 || table.querySelector("thead button")) return;
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
const ready = () => document.querySelectorAll("table.sortable").forEach(sortable);
ready();
// An id leads into the lineage: opens what lies around its place, and the place itself.
function unfold() {
  const name = decodeURIComponent(location.hash.slice(1));
  // An id of any length leads to the object that a place stands for, as it does on the command line.
  const id = /^(?:o-)?([0-9a-f]{6,64})$/.exec(name)?.[1];
  const place = document.getElementById(name)
    ?? (id && [...document.querySelectorAll("[id^=o-]")].find((at) => id.startsWith(at.id.slice(2)) || at.id.slice(2).startsWith(id)));
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
// A served page asks again for what changes, and puts it in the place of what is there: the form or link is marked
// `data-live`, what is replaced `data-part`. The address says all of it, so that it can be kept, sent and gone back to.
let asked;
async function show(url, typed) {
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(url, { signal: asked.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focus = document.activeElement?.id;
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = page.getElementById(part.id);
      if (!next) continue;
      const open = [...part.querySelectorAll("details[open][id]")].map((fold) => fold.id);
      part.replaceChildren(...next.childNodes);
      for (const fold of open) part.querySelector(`#${CSS.escape(fold)}`)?.setAttribute("open", "");
    }
    document.title = page.title;
    // While somebody types, nobody wants to go back letter by letter.
    history[typed ? "replaceState" : "pushState"]({ live: true }, "", url);
    if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus({ preventScroll: true });
    ready();
  } catch (e) {
    if (e.name !== "AbortError") location.assign(url);
  }
}
// The address of what a form asks for.
function address(form, button) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form, button)) if (value !== "") query.append(name, value);
  const at = new URL(button?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.pathname, location);
  at.search = query;
  return at;
}
addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (!form.matches("[data-live]")) return;
  event.preventDefault();
  const to = address(form, submitter);
  if (to.pathname === location.pathname) show(to);
  else location.assign(to);
});
let wait;
for (const kind of ["input", "change"]) {
  addEventListener(kind, ({ target }) => {
    const form = target.form;
    if (!form?.matches("[data-live]")) return;
    clearTimeout(wait);
    // What is selected stands in the address, and changes nothing else.
    if (target.type === "checkbox") history.replaceState(history.state, "", address(form));
    else if (kind === "input" ? target.type === "search" : target.matches("select,[type=number]")) {
      wait = setTimeout(() => show(address(form), kind === "input"), kind === "input" ? 250 : 0);
    }
  });
}
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-live]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  show(new URL(link.getAttribute("href"), location));
});
const parts = document.querySelector("[data-part]") !== null;
addEventListener("popstate", ({ state }) => {
  if (parts && (state?.live || location.hash === "")) location.reload();
});
// What is in progress is asked for again every two seconds, as long as somebody looks at it.
async function refresh() {
  if (!document.hidden) {
    for (const part of document.querySelectorAll("[data-refresh]")) {
      try {
        const answer = await fetch(part.dataset.refresh);
        if (!answer.ok) continue;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.getElementById(part.id);
        if (next && next.innerHTML !== part.seen) {
          part.seen = next.innerHTML;
          part.replaceChildren(...next.childNodes);
          if (!("refresh" in next.dataset)) delete part.dataset.refresh;
          ready();
        }
      } catch {
        // The server has ended; what was seen last stays.
      }
    }
  }
  if (document.querySelector("[data-refresh]")) setTimeout(refresh, 2000);
}
if (document.querySelector("[data-refresh]")) setTimeout(refresh, 2000);
