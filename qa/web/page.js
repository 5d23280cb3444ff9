// Runs once, in the source pane; Gradio hands in `element`, `props` and `server`.
// A click (or Enter) on a citation opens its document here, at the cited words.

const pane = element.closest("#source-pane");
const ADDRESS = /^#(.+):(\d+)-(\d+)$/;
let opener = null;
let latest = 0;

function place(link) {
  const [, id, start, end] = ADDRESS.exec(link.getAttribute("href")) ?? [];
  return id && { document: decodeURIComponent(id), start: Number(start), end: Number(end) };
}

// The other citations of the same answer that stand in the same document; an abstention has none.
function others(link, { document, start, end }) {
  const links = [...(link.closest(".answer:not(.none)")?.querySelectorAll("a.cite") ?? [])];
  return links
    .map(place)
    .filter((p) => p && p.document === document && (p.start !== start || p.end !== end))
    .map((p) => [p.start, p.end]);
}

async function open(link) {
  const cited = place(link);
  if (!cited) return;
  opener = link;
  const turn = ++latest;
  document.querySelectorAll("a.cite[aria-current]").forEach((a) => a.removeAttribute("aria-current"));
  link.setAttribute("aria-current", "true");
  pane.setAttribute("aria-busy", "true");
  let html;
  try {
    html = await server.show_source({ ...cited, others: others(link, cited) });
  } catch {
    html = '<p class="empty">The server did not answer; is it still running?</p>';
  }
  if (turn !== latest) return; // another number was clicked meanwhile
  element.innerHTML = html;
  pane.removeAttribute("aria-busy");
  pane.classList.add("open");
  const text = element.querySelector(".text");
  const mark = element.querySelector("mark.cited");
  if (!text) return;
  text.focus({ preventScroll: true });
  if (mark) {
    const offset = mark.getBoundingClientRect().top - text.getBoundingClientRect().top;
    text.scrollTop += offset - text.clientHeight / 3;
  }
}

function close() {
  pane.classList.remove("open");
  opener?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.cite");
  if (link) {
    event.preventDefault();
    open(link);
  } else if (event.target.closest?.("#source-pane .close")) {
    close();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && pane.classList.contains("open")) close();
});

// The last question at the top of the conversation, so that its answer can be read from its beginning.
document.addEventListener("asked", () => {
  const conversation = document.querySelector("#conversation .bubble-wrap");
  const row = [...document.querySelectorAll("#conversation .user-row")].at(-1);
  if (!row) return;
  const settle = () => {
    const offset = row.getBoundingClientRect().top - conversation.getBoundingClientRect().top;
    conversation.scrollTop += offset - 8;
  };
  new MutationObserver((_, observer) => {
    settle();
    if (row.nextElementSibling?.querySelector(".answer")) observer.disconnect();
  }).observe(conversation, { childList: true, subtree: true });
  settle();
});
