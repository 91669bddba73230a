// Runs before the first paint, so that a chosen theme never flashes the other one.
(() => {
  const root = document.documentElement;
  const choices = ["auto", "light", "dark"]; // the words Django's admin keeps in the same place
  const chosen = () => {
    try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
  };
  const show = (theme) => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.querySelector("[data-theme-word]").textContent = `Theme: ${theme === "auto" ? "system" : theme}`;
      const use = button.querySelector("use");
      use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${{ auto: "system", light: "sun", dark: "moon" }[theme]}`));
    }
  };
  show(chosen());
  addEventListener("DOMContentLoaded", () => show(chosen()));
  addEventListener("storage", () => show(chosen()));
  addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = choices[(choices.indexOf(chosen()) + 1) % choices.length];
    try { localStorage.setItem("theme", next); } catch { /* private mode: the choice lasts for this page */ }
    show(next);
  });
})();
