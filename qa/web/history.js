// The conversations of this browser, kept on the server unless the visitor does not want that.

const KEY = "qa-browser";
const panel = element.querySelector("#history");
const list = panel.querySelector("ul");
const find = panel.querySelector("input[type=search]");
const keep = panel.querySelector("#keep");
const none = panel.querySelector(".none");
let browser = null; // the token that stands for this browser
let conversation = null; // the one on the page, once it is kept

const known = (async () => {
  try {
    browser = localStorage.getItem(KEY);
    if (!browser) {
      browser = await server.new_browser({});
      localStorage.setItem(KEY, browser);
    }
  } catch {
    browser = null; // this browser keeps nothing: nor do we
  }
})();

// What a question says of where it is to be kept, asked in the place of turn `from` and those after it.
page.keeping = async (from) => {
  const replaces = page.asked.slice(from).find((turn) => turn.kept)?.kept ?? null;
  await known;
  return { browser, conversation, replaces };
};

page.keptAs = (turn, given) => {
  if (!given.kept) return;
  if (given.kept !== conversation) conversation = given.kept;
  const before = page.asked.slice(0, page.asked.indexOf(turn)).filter((past) => past.kept);
  turn.kept = (before.at(-1)?.kept ?? 0) + 1;
  if (!panel.hidden) load();
};

page.whereKept = (turn) =>
  turn.kept && conversation ? { browser, conversation, number: turn.kept } : { browser: null, conversation: null };

page.undone = (number) => {
  const kept = page.asked.slice(number).find((turn) => turn.kept)?.kept;
  if (conversation && kept) change({ change: "undo", conversation, number: kept });
};

page.restarted = () => {
  conversation = null;
  mark();
};

async function change(request) {
  const done = await server.change_history({ browser, ...request });
  if (done.failed) page.say(done.says);
  return done;
}

async function load() {
  await known;
  if (!browser) {
    none.textContent = "This browser keeps no data, so there is no history.";
    return;
  }
  const got = await server
    .conversations({ browser, search: find.value })
    .catch(() => ({ failed: true, says: "The server did not answer; is it still running?" }));
  if (got.failed) {
    none.hidden = false;
    none.textContent = got.says;
    return;
  }
  list.innerHTML = got.says.html;
  keep.checked = got.says.keeps;
  none.hidden = got.says.count > 0;
  none.textContent = find.value.trim() ? "No conversation has these words." : "No conversations yet.";
  mark();
}
page.loadHistory = load;

function mark() {
  list.querySelectorAll("li").forEach((row) => row.toggleAttribute("aria-current", row.dataset.id === conversation));
}

async function reopen(id) {
  const got = await server.conversation({ browser, conversation: id });
  if (got.failed) return page.say(got.says);
  conversation = id;
  page.begin(got.says);
  page.closeSide(false);
  mark();
  element.querySelector("#question").focus();
}

// Without an id, the conversation on the page, which need not be kept anywhere.
async function download(id, form) {
  const turns = page.asked.filter((turn) => turn.answer).map(({ asked, answer }) => ({ asked, answer }));
  if (!id && !turns.length) return page.say("Nothing to save yet: ask a question first.");
  const address = new URL(`export?form=${form}`, document.baseURI);
  const body = JSON.stringify(id ? { browser, conversation: id } : { turns });
  const got = await fetch(address, { method: "POST", body }).catch(() => null);
  if (!got?.ok) return page.say(got ? await got.text() : "The server did not answer; is it still running?");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await got.blob());
  link.download = decodeURIComponent(got.headers.get("Content-Disposition").split("''")[1]);
  link.click();
  URL.revokeObjectURL(link.href);
}

function rename(row) {
  const title = row.querySelector(".open");
  const field = document.createElement("input");
  field.type = "text";
  field.value = title.textContent;
  field.maxLength = 100;
  field.setAttribute("aria-label", "New name");
  title.hidden = true;
  title.before(field);
  field.select();
  let done = false;
  const finish = async (save) => {
    if (done) return;
    done = true;
    if (save && field.value.trim()) {
      await change({ change: "rename", conversation: row.dataset.id, title: field.value });
    }
    await load();
    list.querySelector(`li[data-id="${CSS.escape(row.dataset.id)}"] .rename`)?.focus();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") finish(true);
    if (event.key === "Escape") finish(false);
    event.stopPropagation();
  });
  field.addEventListener("blur", () => finish(true));
}

async function remove(row, pressed) {
  if (!pressed.classList.contains("sure")) {
    pressed.classList.add("sure");
    pressed.textContent = "Delete?";
    return;
  }
  await change({ change: "delete", conversation: row.dataset.id });
  if (conversation === row.dataset.id) conversation = null;
  await load();
  find.focus();
}

list.addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  const row = event.target.closest("li");
  if (!pressed) return;
  if (pressed.matches(".open")) reopen(row.dataset.id);
  else if (pressed.matches(".rename")) rename(row);
  else if (pressed.matches(".export")) download(row.dataset.id, pressed.value);
  else if (pressed.matches(".delete")) remove(row, pressed);
});

panel.querySelector(".shown").addEventListener("click", (event) => {
  const pressed = event.target.closest(".export");
  if (pressed) download(null, pressed.value);
});

list.addEventListener("focusout", (event) => {
  if (!event.target.matches(".delete.sure")) return;
  event.target.classList.remove("sure");
  event.target.textContent = "Delete";
});

let typing;
find.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(load, 150);
});

keep.addEventListener("change", async () => {
  await change({ change: keep.checked ? "keep" : "forget" });
  if (!keep.checked) {
    conversation = null;
    page.asked.forEach((turn) => (turn.kept = null));
  }
  load();
});
