// A running swap: log lines as text, the bar, the words of the phases for screen readers, and its end.
(() => {
  const LINES_KEPT = 2000;
  const announcer = document.getElementById("announcer");
  const title = document.title;
  const announce = (text) => { announcer.textContent = text; };

  const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const append = ({ swap, node, text }) => {
    for (const log of document.querySelectorAll(`[data-watch-swap="${Number(swap)}"]`)) {
      const follow = atEnd(log);
      const line = document.createElement("div");
      if (node) {
        const name = document.createElement("span");
        name.className = "node";
        name.textContent = node;
        line.append(name);
      }
      line.append(text);
      log.append(line);
      log.hidden = false;
      while (log.children.length > LINES_KEPT) log.firstElementChild.remove();
      if (follow) log.scrollTop = log.scrollHeight;
    }
  };
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(bytes < 100 * 2 ** 30 ? 1 : 0)} GiB`;
  const within = (swap, name) => document.querySelectorAll(`[data-swap="${Number(swap)}"] [data-${name}]`);

  document.addEventListener("live:log", ({ detail }) => append(detail));
  document.addEventListener("live:progress", ({ detail }) => {
    within(detail.swap, "bar").forEach((bar) => { bar.value = detail.percent; });
    within(detail.swap, "detail").forEach((words) => { if (detail.detail) words.textContent = detail.detail; });
    within(detail.swap, "memory").forEach((figure) => {
      const left = detail.memory?.[figure.dataset.memory];
      if (left !== undefined) figure.textContent = gib(left);
    });
  });
  document.addEventListener("live:phase", ({ detail }) => announce(detail.label));
  document.addEventListener("live:end", ({ detail }) => {
    const words = detail.words || "Ended";
    const sentence = detail.diagnosis ? `${words}: ${detail.diagnosis.sentence}` : words;
    announce(sentence);
    document.title = `${words} – ${title}`;
    if ("Notification" in window && Notification.permission === "granted" && document.hidden) {
      new Notification("Spark Control", { body: sentence, tag: `swap-${detail.swap}` });
    }
  });
  addEventListener("focus", () => { document.title = title; });

  const offer = () => {
    for (const button of document.querySelectorAll("[data-notify]")) {
      button.hidden = !("Notification" in window) || Notification.permission !== "default";
    }
    document.querySelectorAll("[data-watch-swap]").forEach((log) => {
      if (!log.dataset.shown) { log.dataset.shown = "yes"; log.scrollTop = log.scrollHeight; }
    });
  };
  document.addEventListener("htmx:load", offer);
  document.addEventListener("click", async (event) => {
    if (!event.target.closest("[data-notify]")) return;
    await Notification.requestPermission();
    offer();
  });
  document.addEventListener("toggle", (event) => {
    const log = event.target.querySelector?.("[data-watch-swap]");
    if (log) log.scrollTop = log.scrollHeight;
  }, true);
  offer();
})();
