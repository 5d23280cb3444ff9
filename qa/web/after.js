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

async function judge(turn, verdict, row) {
  row.querySelectorAll("button").forEach((each) => (each.disabled = true));
  const request = { ...turn.request, browser: null, told: turn.told[1], verdict };
  const done = await server.judge(request).catch(() => ({ says: "The server did not answer." }));
  row.setAttribute("role", "status");
  row.textContent = done.says;
}

element.querySelector("#turns").addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  const turn = page.asked.find((each) => each.element.contains(pressed));
  if (!pressed || !turn) return;
  if (pressed.matches(".starter")) page.ask(pressed.textContent);
  else if (pressed.matches(".verdict")) judge(turn, pressed.value, pressed.closest(".feedback"));
});
