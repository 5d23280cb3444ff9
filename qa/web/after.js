// After an answer: what to ask next, and whether it was right.

const VERDICTS = {
  answered: [
    ["right", "Right"],
    ["wrong", "Wrong"],
    ["wrong place", "Wrong place"],
    ["should not have answered", "Should not have answered"],
  ],
  declined: [
    ["right", "Right, they do not say"],
    ["wrong", "Wrong, they do"],
  ],
};

page.answered = (turn, given) => {
  page.keptAs(turn, given);
  if (!turn.told) return;
  offerVerdicts(turn);
  if (given.next) offerNext(turn, given.next);
};

async function offerNext(turn, token) {
  const questions = await server.following({ next: token }).catch(() => []);
  if (!questions.length || !turn.element.isConnected) return;
  const list = document.createElement("ul");
  list.className = "next-questions";
  list.setAttribute("aria-label", "Questions to go on with");
  list.append(
    ...questions.map((question) => {
      const item = document.createElement("li");
      item.append(page.button("starter", question));
      return item;
    }),
  );
  turn.element.querySelector(".feedback").before(list);
}

function offerVerdicts(turn) {
  const answered = !turn.element.querySelector(".answer.none");
  const row = document.createElement("div");
  row.className = "feedback";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "Was this right?");
  row.append("Was this right?");
  for (const [verdict, name] of VERDICTS[answered ? "answered" : "declined"]) {
    const choice = page.button("verdict", name);
    choice.value = verdict;
    row.append(choice);
  }
  turn.element.querySelector(".reply").append(row);
}

const SILENT = { failed: true, says: "The server did not answer." };

async function judge(turn, verdict, row) {
  row.querySelectorAll("button").forEach((each) => (each.disabled = true));
  const request = { ...turn.request, ...page.whereKept(turn), told: turn.told[1], verdict };
  const done = await server.judge(request).catch(() => SILENT);
  showVerdict(turn, row, done.failed ? done : done.says);
  row.querySelector("input")?.focus();
}

// What became of a verdict; where it leaves open what is right, a field for that.
function showVerdict(turn, row, { verdict, says, open }) {
  const line = document.createElement("p");
  line.setAttribute("role", "status");
  line.textContent = says;
  row.replaceChildren(line);
  row.setAttribute("aria-label", "Your verdict");
  if (!open) return;
  const form = document.createElement("form");
  form.className = "correction";
  const label = document.createElement("label");
  label.textContent = verdict === "wrong place" ? "Words from the right place" : "The right answer, in a document’s words";
  const field = document.createElement("input");
  field.type = "text";
  field.dir = "auto";
  field.maxLength = 500;
  label.append(" ", field);
  const save = page.button("save", "Save");
  save.type = "submit";
  form.append(label, save);
  if (verdict === "wrong") form.append(page.button("not-there", "Not in the documents"));
  const send = async (words) => {
    const request = { ...turn.request, ...page.whereKept(turn), open, words };
    const done = await server.correct(request).catch(() => SILENT);
    line.textContent = done.says;
    if (!done.failed) form.remove();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) send(field.value);
    else field.focus();
  });
  form.querySelector(".not-there")?.addEventListener("click", () => send(null));
  row.append(form);
}

// A turn of the history: it has what it had when it was asked.
page.reopened = (turn, { verdict, next }) => {
  offerVerdicts(turn);
  if (verdict) showVerdict(turn, turn.element.querySelector(".feedback"), verdict);
  if (next) offerNext(turn, next);
};

element.querySelector("#turns").addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  const turn = page.asked.find((each) => each.element.contains(pressed));
  if (!pressed || !turn) return;
  if (pressed.matches(".starter")) page.ask(pressed.textContent);
  else if (pressed.matches(".verdict")) judge(turn, pressed.value, pressed.closest(".feedback"));
});
