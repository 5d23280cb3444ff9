// Files added by button or dropped on the page, one after the other, with how far each has come.

const box = element.querySelector("#add");
const input = box.querySelector("input");
const adding = box.querySelector(".adding");
const bar = adding.querySelector("progress");
const line = adding.querySelector("p");
const unread = element.querySelector("#unread");
const MOST_FILES = 50;
let busy = false;

async function add(files) {
  if (!files.length || busy || box.hidden) return;
  const chosen = [...files].slice(0, MOST_FILES);
  busy = true;
  adding.hidden = false;
  page.openSources();
  let added = 0;
  for (const [number, file] of chosen.entries()) {
    const which = chosen.length > 1 ? `${number + 1} of ${chosen.length} · ` : "";
    const tell = (stage, share) => {
      line.textContent = `${which}${stage} ${file.name}`;
      bar.value = (number + share) / chosen.length;
    };
    tell("sending", 0);
    const last = await send(file, tell);
    if (last.failed) {
      line.textContent = last.failed;
      busy = false;
      return;
    }
    if (last.skipped) refuse(last.skipped);
    else added += 1;
    if (last.says) element.querySelector("#status").textContent = last.says;
    await page.sourcesChanged();
  }
  const left = files.length - chosen.length;
  line.textContent =
    `${added} of ${files.length} added` + (left > 0 ? `; at most ${MOST_FILES} at a time, add the other ${left} again` : "");
  bar.value = 1;
  busy = false;
  if (added) page.showStarters();
}

// The server answers with one line of JSON for each step; the last one says what came of it.
async function send(file, tell) {
  let last = { failed: "The server did not answer; is it still running?" };
  try {
    const answer = await fetch(new URL(`upload?name=${encodeURIComponent(file.name)}`, document.baseURI), {
      method: "PUT",
      body: file,
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      for (const step of lines.map(JSON.parse)) {
        if (step.stage !== undefined) tell(step.stage, step.share);
        else last = step;
      }
    }
  } catch {
    // The line above says it.
  }
  return last;
}

function refuse(rows) {
  unread.open = true;
  unread.querySelector(".added").insertAdjacentHTML("beforeend", rows);
  countUnread();
}

// What the last run over the folder could not read: told by the server, with the list of sources.
let indexed = 0;
page.showUnread = ({ html, count }) => {
  unread.querySelector(".indexed").innerHTML = html;
  indexed = count;
  countUnread();
};

function countUnread() {
  const count = indexed + unread.querySelectorAll(".added li").length;
  unread.hidden = count === 0;
  const files = count === 1 ? "1 file was" : `${count.toLocaleString("en")} files were`;
  unread.querySelector("summary").textContent = `${files} not read`;
}

box.querySelector("button").addEventListener("click", () => input.click());
input.addEventListener("change", async () => {
  await add(input.files);
  input.value = "";
});

const carriesFiles = (event) => [...event.dataTransfer.types].includes("Files");
let over = 0; // how many elements the dragged files are over
element.addEventListener("dragenter", (event) => {
  if (!carriesFiles(event) || box.hidden) return;
  over += 1;
  element.classList.add("dropping");
});
element.addEventListener("dragleave", (event) => {
  if (!carriesFiles(event) || box.hidden) return;
  over -= 1;
  element.classList.toggle("dropping", over > 0);
});
element.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
element.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  over = 0;
  element.classList.remove("dropping");
  add(event.dataTransfer.files);
});

// Removing asks once more, in place: the second press removes.
element.querySelector("#source-list").addEventListener("click", async (event) => {
  const pressed = event.target.closest("button.remove");
  if (!pressed) return;
  if (!pressed.classList.contains("sure")) {
    pressed.classList.add("sure");
    pressed.textContent = "Remove?";
    pressed.addEventListener("blur", () => {
      pressed.classList.remove("sure");
      pressed.textContent = "✕";
    }, { once: true });
    return;
  }
  pressed.disabled = true;
  const done = await server.remove_source({ document: pressed.value });
  element.querySelector("#status").textContent = done.says;
  await page.sourcesChanged([pressed.value]);
  page.showStarters();
  element.querySelector("#find-source").focus();
});
