// Asks again for the fragments an event concerns: data-live="slot:main events" names the topics of a fragment,
// data-every="10" the seconds after which it grows old. With a dead socket everything is asked for every 30 s.
(() => {
  const SLOW_SECONDS = 30;
  const STORY_MS = 4000;
  const GAP_MS = 700; // a burst of events costs one request
  const asked = new Map();
  const note = document.getElementById("live-note");
  let down = false;

  const busyTyping = (element) => element.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  const refresh = (element) => {
    if (!element.isConnected || busyTyping(element) || document.hidden) return;
    asked.set(element.id, Date.now());
    window.htmx.trigger(element, "refresh");
  };
  const soon = (id) => {
    if (asked.get(id) === "soon") return;
    const wait = Math.max(30, GAP_MS - (Date.now() - (asked.get(id) || 0)));
    asked.set(id, "soon");
    setTimeout(() => {
      asked.set(id, 0);
      const element = document.getElementById(id);
      if (element) refresh(element);
    }, wait);
  };
  const topics = (event) => {
    const heard = ["events", event.kind.split(".")[0]];
    if (event.slot) heard.push(`slot:${event.slot}`);
    if (event.spark) heard.push(`spark:${event.spark}`);
    return heard;
  };
  const concerned = (heard) => [...document.querySelectorAll("[data-live]")].filter((element) => element.dataset.live.split(" ").some((topic) => heard.includes(topic)));

  document.addEventListener("live:event", ({ detail }) => concerned(topics(detail)).forEach((element) => soon(element.id)));
  for (const kind of ["phase", "end"]) {
    document.addEventListener(`live:${kind}`, ({ detail }) => concerned([`swap:${detail.swap}`]).forEach((element) => soon(element.id)));
  }
  // The bar moves by itself; the words of the remaining time are the server's, and a few seconds old is fine.
  document.addEventListener("live:progress", ({ detail }) => concerned([`swap:${detail.swap}`]).forEach((element) => {
    const last = asked.get(element.id) || 0;
    if (last !== "soon" && Date.now() - last > STORY_MS) soon(element.id);
  }));
  document.addEventListener("live:up", () => {
    if (down) document.querySelectorAll("[data-live]").forEach((element) => soon(element.id)); // news may have been missed
    down = false;
    note.hidden = true;
  });
  document.addEventListener("live:down", () => { down = true; note.hidden = false; });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.querySelectorAll("[data-live]").forEach((element) => soon(element.id));
  });
  setInterval(() => {
    for (const element of document.querySelectorAll("[data-live], [data-every]")) {
      const every = Number(element.dataset.every || 0) || (down ? SLOW_SECONDS : 0);
      const last = asked.get(element.id);
      if (last === undefined) asked.set(element.id, Date.now());
      else if (every && last !== "soon" && Date.now() - last >= every * 1000) refresh(element);
    }
  }, 1000);
  // What a person unfolded stays unfolded.
  let unfolded = [];
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    unfolded = [...detail.target.querySelectorAll("details[open][id]")].map((details) => details.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  });
  // Signed out meanwhile, or the server is starting again: keep what is shown rather than an error page in a card.
  document.addEventListener("htmx:beforeSwap", (event) => { if (event.detail.xhr.status >= 400) event.detail.shouldSwap = false; });
})();
