// Small comforts of every page: relative times that move on, copy buttons, and forms that are sent once.
(() => {
  const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];
  const span = (seconds) => {
    const [, size, unit] = STEPS.find(([limit]) => seconds < limit);
    return `${Math.floor(seconds / size)} ${unit}`;
  };
  const left = (seconds) => {
    const [size, unit, finer, fineUnit] = seconds < 86400 ? [3600, "h", 60, "min"] : [86400, "d", 3600, "h"];
    if (seconds < size) return span(seconds);
    const rest = Math.floor((seconds % size) / finer);
    return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${fineUnit}` : ""}`;
  };
  const exact = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);
  const tick = () => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.max(0, Math.round((now - Date.parse(time.dateTime)) / 1000));
      time.textContent = seconds < 10 ? "just now" : `${span(seconds)} ago`;
    }
    for (const time of document.querySelectorAll("time[data-lasting]")) {
      time.textContent = span(Math.max(0, Math.round((now - Date.parse(time.dateTime)) / 1000)));
    }
    for (const time of document.querySelectorAll("time[data-left]")) {
      time.textContent = left(Math.max(0, Math.round((Date.parse(time.dateTime) - now) / 1000)));
    }
    for (const since of document.querySelectorAll("[data-since]")) {
      since.textContent = exact(Math.max(0, Math.floor((now - Date.parse(since.dataset.since)) / 1000)));
    }
  };
  setInterval(tick, 1000);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const word = button.querySelector("[data-copy-word]");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      word.textContent = "Copied";
    } catch {
      word.textContent = "Select and copy by hand"; // plain http on a LAN has no clipboard
    }
    setTimeout(() => { word.textContent = "Copy"; }, 2000);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    form.classList.add("is-busy");
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-disabled", "true"));
  });
  // Back from the next page: the form may be sent again, with a fresh look by the server.
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    form.classList.remove("is-busy");
    form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-disabled"));
  }));
  const showCopy = () => document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
  document.addEventListener("htmx:load", showCopy);
  showCopy();
})();
