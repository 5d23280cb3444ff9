// The panel at the left: which documents there are, and which of them may answer.

const side = element.querySelector("#side");
const toggle = element.querySelector("#show-side");
const list = element.querySelector("#source-list");
const find = element.querySelector("#find-source");
const all = element.querySelector("#choose-all");
const pages = element.querySelector("#sources .pages");
let everything = true; // the choice is "all but these", else "only these"
let but = new Set();
let first = 0;
let shown = { all: 0, matching: 0, shown: 0 };
let latest = 0;

page.choice = () => ({ all: everything, but: [...but] });
page.noneChosen = (choice) => !choice.all && choice.but.length === 0;
const isChosen = (id) => but.has(id) !== everything;
const count = (number) => number.toLocaleString("en");

async function load() {
  const turn = ++latest;
  const got = await server.list_sources({ query: find.value, first }).catch(() => null);
  if (!got) return (element.querySelector("#chosen").textContent = "The server did not answer.");
  if (turn !== latest) return; // more was typed meanwhile
  shown = got;
  page.showUnread(got.unread);
  first = got.first;
  list.innerHTML = got.html;
  list.scrollTop = 0;
  list.querySelectorAll("input").forEach((box) => (box.checked = isChosen(box.value)));
  pages.hidden = got.matching <= got.shown;
  pages.querySelector("span").textContent =
    `${count(first + 1)}–${count(first + got.shown)} of ${count(got.matching)}`;
  pages.querySelector(".previous").disabled = first === 0;
  pages.querySelector(".next").disabled = first + got.shown >= got.matching;
  tell();
}
page.loadSources = load;

function tell() {
  const chosen = everything ? shown.all - but.size : but.size;
  const found = find.value.trim() ? ` · ${count(shown.matching)} found` : "";
  element.querySelector("#chosen").textContent =
    (chosen === shown.all ? `All ${count(shown.all)} answer` : `${count(chosen)} of ${count(shown.all)} answer`) + found;
  // While something is searched for, the box stands for the rows that are seen.
  const seen = [...list.querySelectorAll("input")].map((box) => box.checked);
  all.checked = found ? seen.length > 0 && seen.every(Boolean) : chosen === shown.all;
  all.indeterminate = !all.checked && (found ? seen.some(Boolean) : chosen > 0);
  all.setAttribute("aria-label", find.value.trim() ? "Choose all that were found" : "Choose all sources");
}

function choose(ids, chosen) {
  for (const id of ids) chosen === everything ? but.delete(id) : but.add(id);
}

list.addEventListener("change", (event) => {
  choose([event.target.value], event.target.checked);
  tell();
});

// All or none: of what was found, where something is searched for.
all.addEventListener("change", async () => {
  const chosen = all.checked;
  if (find.value.trim()) {
    choose(await server.matching_sources({ query: find.value }), chosen);
  } else {
    everything = chosen;
    but = new Set();
  }
  list.querySelectorAll("input").forEach((box) => (box.checked = isChosen(box.value)));
  tell();
});

let typing;
find.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    first = 0;
    load();
  }, 150);
});

pages.addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  if (!pressed) return;
  first += pressed.matches(".next") ? shown.shown : -1;
  load();
});

// The documents changed: forget choices about those that are gone.
page.sourcesChanged = async (gone = []) => {
  gone.forEach((id) => but.delete(id));
  await load();
};

page.sourcesOpened = async () => {
  await load();
  element.querySelector("#add").hidden = !shown.removable;
};

// Two tabs: sources and history.
const tabs = [...side.querySelectorAll("[role=tab]")];
function turnTo(tab) {
  for (const each of tabs) {
    const on = each === tab;
    each.setAttribute("aria-selected", on);
    each.tabIndex = on ? 0 : -1;
    element.querySelector(`#${each.getAttribute("aria-controls")}`).hidden = !on;
  }
  if (tab.id === "tab-history") page.loadHistory?.();
}
side.querySelector(".tabs").addEventListener("click", (event) => {
  if (event.target.matches("[role=tab]")) turnTo(event.target);
  else if (event.target.matches(".close")) closeSide(true);
});
side.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  const here = tabs.indexOf(event.target);
  if (here < 0 || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const next = tabs[(here + 1) % tabs.length];
  turnTo(next);
  next.focus();
});

// On a narrow page the panel slides over the conversation.
function closeSide(back = false) {
  if (!side.classList.contains("open")) return;
  side.classList.remove("open");
  toggle.setAttribute("aria-expanded", "false");
  if (back) toggle.focus();
}
page.closeSide = closeSide;
page.openSources = () => {
  turnTo(tabs[0]);
  side.classList.add("open");
  toggle.setAttribute("aria-expanded", "true");
};
toggle.addEventListener("click", () => {
  side.classList.add("open");
  toggle.setAttribute("aria-expanded", "true");
  side.querySelector("[aria-selected=true]").focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && side.contains(document.activeElement)) closeSide(true);
});
