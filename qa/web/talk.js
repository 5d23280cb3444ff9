// The conversation. The browser holds it and sends it along with each question.

const turns = element.querySelector("#turns");
const conversation = element.querySelector("#conversation");
const form = element.querySelector("#ask");
const field = element.querySelector("#question");
const hint = element.querySelector("#hint");
const asked = []; // { question, told, element }, oldest first
let editing = null; // the number of the turn whose question is being edited
let busy = false;

const say = (text) => (hint.textContent = text);
page.say = say;
page.announce = (text) => (element.querySelector("#announce").textContent = text);

function button(name, text, label = text) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.textContent = text;
  if (label !== text) made.setAttribute("aria-label", label);
  return made;
}
page.button = button;

// A turn on the page: the question, letter by letter, and what may be done with it.
function show(question) {
  const turn = document.createElement("article");
  turn.className = "turn";
  const text = document.createElement("p");
  text.className = "asked";
  text.dir = "auto";
  text.textContent = question;
  const tools = document.createElement("p");
  tools.className = "turn-tools";
  tools.append(button("edit", "Edit", "Edit the question"), button("again", "Ask again"), button("undo", "Undo"));
  const reply = document.createElement("div");
  reply.className = "reply";
  turn.append(text, tools, reply);
  turns.append(turn);
  element.querySelector("#welcome").hidden = true;
  return turn;
}

// The last question at the top, so that its answer can be read from its beginning.
function scrollTo(turn) {
  turns.style.minHeight = "";
  const offset = turn.getBoundingClientRect().top - conversation.getBoundingClientRect().top;
  const below = turns.getBoundingClientRect().bottom - turn.getBoundingClientRect().top;
  const missing = conversation.clientHeight - 24 - below;
  if (missing > 0) turns.style.minHeight = `${turns.offsetHeight + missing}px`;
  conversation.scrollTop += offset - 8;
}

function forget(from) {
  asked.splice(from).forEach((turn) => turn.element.remove());
  turns.style.minHeight = "";
  element.querySelector("#welcome").hidden = asked.length > 0;
}

async function ask(question, from = asked.length, settings = {}) {
  if (!question.trim()) return say("Type a question first.");
  if (busy) return say("One moment: the last question is being answered.");
  const choice = settings.choice ?? page.choice();
  if (page.noneChosen(choice)) return say("No source is checked; check at least one.");
  say("");
  stopEditing();
  field.value = "";
  grow();
  busy = true;
  const keeping = page.keeping(from);
  forget(from);
  const turn = { question, told: null, kept: null, element: show(question) };
  turn.request = {
    question,
    history: asked.map((past) => past.told).filter(Boolean),
    choice,
    min_confidence: settings.min_confidence ?? page.least(),
  };
  const reply = turn.element.querySelector(".reply");
  reply.setAttribute("aria-busy", "true");
  asked.push(turn);
  scrollTo(turn.element);
  let given;
  try {
    given = await server.ask({ ...turn.request, ...(await keeping) });
  } catch {
    given = { html: '<div class="answer failure"><p>The server did not answer; is it still running?</p></div>' };
  }
  busy = false;
  if (!turn.element.isConnected) return; // a new conversation was begun meanwhile
  reply.removeAttribute("aria-busy");
  reply.innerHTML = given.html;
  turn.told = given.told ?? null;
  turn.answer = given.answer ?? null;
  turn.asked = new Date().toISOString();
  say("");
  scrollTo(turn.element);
  const words = reply.querySelector(".sentence, .verdict, .failure");
  page.announce([words?.textContent, reply.querySelector(".confidence")?.firstChild.data].filter(Boolean).join(" "));
  page.answered(turn, given);
}
page.ask = ask;
page.asked = asked;

// The turns of a conversation of the history, or none for a new one.
page.begin = (kept = []) => {
  forget(0);
  stopEditing();
  say("");
  for (const { question, html, told, kept: number, history, choice, min_confidence, ...past } of kept) {
    const turn = { question, told, kept: number, element: show(question), asked: past.asked, answer: past.answer };
    turn.request = { question, history, choice, min_confidence };
    turn.element.querySelector(".reply").innerHTML = html;
    asked.push(turn);
    page.reopened(turn, past);
  }
  conversation.scrollTop = conversation.scrollHeight;
};

function edit(number, text) {
  editing = number;
  asked[number].element.classList.add("edited");
  field.value = text;
  grow();
  field.focus();
  const later = asked.length - number - 1;
  say("Editing: Enter asks it" + (later ? ` and drops the ${later === 1 ? "question" : `${later} questions`} after it` : "") + ", Escape leaves it.");
}

function stopEditing() {
  editing = null;
  turns.querySelector(".edited")?.classList.remove("edited");
}

function grow() {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 120)}px`;
}

field.addEventListener("input", grow);
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "Escape" && editing !== null) {
    stopEditing();
    field.value = "";
    say("");
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(field.value, editing ?? asked.length);
});

turns.addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  const number = asked.findIndex((turn) => turn.element.contains(pressed));
  if (!pressed || number < 0) return;
  const { question } = asked[number];
  if (pressed.matches(".edit")) edit(number, question);
  else if (pressed.matches(".again")) ask(question, number);
  else if (pressed.matches(".ask-all")) ask(question, number, { choice: { all: true, but: [] } });
  else if (pressed.matches(".ask-unsure")) ask(question, number, { min_confidence: page.leastByDefault() });
  else if (pressed.matches(".edit-asked-as")) {
    edit(number, pressed.parentElement.querySelector(".asked-as bdi").textContent);
  } else if (pressed.matches(".undo") && !busy) {
    page.undone(number);
    forget(number);
    field.value = question;
    grow();
    field.focus();
  }
});

element.querySelector("#starters").addEventListener("click", (event) => {
  const chosen = event.target.closest("button");
  if (chosen) ask(chosen.textContent);
});

element.querySelector("#restart").addEventListener("click", () => {
  page.begin();
  page.restarted();
  field.focus();
});

// How sure an answer must be, and what that costs.
const least = element.querySelector("#least");
let standard = 0.5;
let curve = []; // [threshold, share of questions answered, share of these right], thresholds rising

function showLeast() {
  const percent = Number(least.value);
  element.querySelector("#least-shown").textContent = `${percent} %`;
  const point = curve.filter(([threshold]) => threshold <= percent / 100 + 1e-9).at(-1) ?? curve[0];
  const share = (value) => `${Math.round(100 * value)} %`;
  element.querySelector("#coverage").textContent = point
    ? `in tests: answers ${share(point[1])} of questions, ${share(point[2])} of them rightly`
    : "";
}

least.addEventListener("input", showLeast);
page.least = () => (Number(least.value) === Math.round(100 * standard) ? null : Number(least.value) / 100);
page.leastByDefault = () => standard;
page.setLeast = (value, coverage) => {
  standard = value;
  curve = coverage;
  least.value = Math.round(100 * value);
  showLeast();
};
