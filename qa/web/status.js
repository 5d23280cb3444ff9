// Once the server has its models: what it knows, what to ask first, and what it allows.

const status = element.querySelector("#status");

server.status({}).then(
  (known) => {
    status.textContent = known.says;
    status.classList.toggle("failure", known.failed);
    if (known.failed) {
      element.querySelector("#chosen").textContent = "No sources";
      return;
    }
    page.setLeast(known.min_confidence, known.coverage);
    page.sourcesOpened();
    page.showStarters();
  },
  () => (status.textContent = "The server did not answer; is it still running?"),
);

page.showStarters = async () => {
  const starters = await server.starters({}).catch(() => []);
  element.querySelector("#starters").replaceChildren(
    ...starters.map((question) => {
      const item = document.createElement("li");
      item.append(page.button("starter", question));
      return item;
    }),
  );
};
