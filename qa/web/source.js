// A click (or Enter) on a citation opens its document in the pane at the right, at the cited words.

const pane = element.querySelector("#source-pane");
const content = pane.querySelector(".content");
const ADDRESS = /^#(.+):(\d+)-(\d+)$/;
let opener = null;
let references = null;
let shownPlace = null; // what was asked to be shown
let latest = 0;

function place(link) {
  const [, id, start, end] = ADDRESS.exec(link.getAttribute("href")) ?? [];
  return id && { document: decodeURIComponent(id), start: Number(start), end: Number(end) };
}

// The citations of the same answer, each place once; the passages of an abstention stand for themselves.
function siblings(link) {
  const links = [...(link.closest(".answer")?.querySelectorAll("a.cite") ?? [])].filter((a) => a.checkVisibility());
  return links.filter((a, i) => links.findIndex((b) => b.getAttribute("href") === a.getAttribute("href")) === i);
}

function others(link, { document, start, end }) {
  if (link.closest(".answer.none")) return [];
  return siblings(link)
    .map(place)
    .filter((p) => p && p.document === document && (p.start !== start || p.end !== end))
    .map((p) => [p.start, p.end]);
}

async function open(link) {
  const cited = place(link);
  if (!cited) return;
  opener = link;
  const turn = ++latest;
  const focused = document.activeElement;
  document.querySelectorAll("a.cite[aria-current]").forEach((a) => a.removeAttribute("aria-current"));
  link.setAttribute("aria-current", "true");
  pane.setAttribute("aria-busy", "true");
  let shown;
  try {
    shownPlace = { ...cited, others: others(link, cited) };
    shown = await server.show_source(shownPlace);
  } catch {
    shown = { html: '<p class="empty">The server did not answer; is it still running?</p>' };
  }
  if (turn !== latest) return; // another number was clicked meanwhile
  content.innerHTML = shown.html;
  references = shown.references ?? null;
  pane.removeAttribute("aria-busy");
  pane.classList.add("open");
  page.closeSide();
  countSteps();
  const text = content.querySelector(".text");
  const mark = content.querySelector("mark.cited");
  if (!text) return;
  // Not if the visitor has gone on meanwhile: whoever types the next question goes on typing.
  if ([focused, document.body].includes(document.activeElement)) text.focus({ preventScroll: true });
  if (mark) {
    const offset = mark.getBoundingClientRect().top - text.getBoundingClientRect().top;
    text.scrollTop += offset - text.clientHeight / 3;
  }
  text.addEventListener("scroll", () => tellPosition(text), { passive: true });
  watchEnds(text);
}

// A long document comes in stretches: the next one when its end is scrolled to, or by the button there.
let nearEnd = null;

function watchEnds(text) {
  nearEnd?.disconnect();
  nearEnd = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && showMore(entry.target)),
    { root: text, rootMargin: "600px 0px" },
  );
  text.querySelectorAll(":scope > button").forEach((button) => nearEnd.observe(button));
  tellPosition(text);
}

async function showMore(button) {
  if (button.disabled) return;
  button.disabled = true;
  const text = button.closest(".text");
  const focused = document.activeElement === button;
  const way = button.className;
  const html = await server.more_source({ ...shownPlace, at: Number(button.value), way }).catch(() => null);
  if (!text.isConnected || !button.isConnected) return;
  if (html === null) return (button.disabled = false);
  const more = document.createElement("div");
  more.innerHTML = html;
  // The end that meets what is shown already goes on without a button.
  more.querySelector(way === "before" ? ":scope > .after" : ":scope > .before")?.remove();
  const height = text.scrollHeight;
  const top = text.scrollTop;
  button.replaceWith(...more.childNodes);
  if (way === "before") text.scrollTop = top + text.scrollHeight - height;
  if (focused) text.focus({ preventScroll: true });
  watchEnds(text);
}

async function goTo(at) {
  const text = content.querySelector(".text");
  const html = await server.more_source({ ...shownPlace, at, way: "around" }).catch(() => null);
  if (html === null || !text.isConnected) return;
  text.innerHTML = html;
  const { first, last } = text.querySelector(".stretch").dataset;
  text.scrollTop = ((at - first) / (last - first)) * (text.scrollHeight - text.clientHeight);
  watchEnds(text);
}

// How far down the document the first visible line stands.
function tellPosition(text) {
  const bar = content.querySelector(".position input");
  if (!bar) return;
  const top = text.getBoundingClientRect().top;
  const stretches = [...text.querySelectorAll(".stretch")];
  const here = stretches.find((each) => each.getBoundingClientRect().bottom > top) ?? stretches.at(-1);
  if (!here) return;
  const box = here.getBoundingClientRect();
  const [first, last] = [Number(here.dataset.first), Number(here.dataset.last)];
  const at = first + Math.min(1, Math.max(0, (top - box.top) / box.height)) * (last - first);
  if (document.activeElement !== bar) bar.value = at;
  content.querySelector(".position output").textContent = `${Math.round((100 * at) / Number(bar.max))} %`;
}

pane.addEventListener("change", (event) => {
  if (event.target.matches(".position input")) goTo(Number(event.target.value));
});

function countSteps() {
  const steps = content.querySelector(".steps");
  if (!steps) return;
  const links = siblings(opener);
  steps.hidden = links.length < 2;
  const here = links.findIndex((a) => a.getAttribute("href") === opener.getAttribute("href"));
  steps.querySelector(".step").textContent = `${here + 1} of ${links.length}`;
  steps.querySelector(".previous").disabled = here <= 0;
  steps.querySelector(".next").disabled = here >= links.length - 1;
}

async function step(by) {
  const links = siblings(opener);
  const here = links.findIndex((a) => a.getAttribute("href") === opener.getAttribute("href"));
  if (!links[here + by]) return;
  await open(links[here + by]);
  const next = content.querySelector(by > 0 ? ".next" : ".previous");
  if (next && !next.disabled && pane.contains(document.activeElement)) next.focus();
}

function close() {
  pane.classList.remove("open");
  opener?.focus();
}

// Over plain HTTP from another machine, browsers offer no clipboard; a selected text field does.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  pane.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

pane.addEventListener("click", async (event) => {
  const pressed = event.target.closest("button");
  if (!pressed) return;
  if (pressed.matches(".close")) close();
  else if (pressed.matches(".text > button")) showMore(pressed);
  else if (pressed.matches(".previous")) step(-1);
  else if (pressed.matches(".next")) step(1);
  else if (pressed.matches(".copy button") && references) {
    const text = references[pressed.value];
    await copy(pressed.value === "link" ? new URL(text, document.baseURI).href : text);
    pressed.classList.add("done");
    page.announce("Copied");
    setTimeout(() => pressed.classList.remove("done"), 1500);
  }
});

element.addEventListener("click", (event) => {
  const link = event.target.closest("a.cite");
  if (!link) return;
  event.preventDefault();
  open(link);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && pane.classList.contains("open") && pane.contains(document.activeElement)) close();
});
