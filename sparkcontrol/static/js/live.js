// One socket per page. The rest of the page hears it as DOM events named live:event, live:phase,
// live:progress, live:log, live:end, and live:up / live:down for the socket itself.
(() => {
  const url = document.body.dataset.live;
  if (!url || !("WebSocket" in window)) return;
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));
  const SIGNED_OUT = 4401;
  const wanted = new Map();
  let socket = null;
  let waits = 0;
  let up = false;

  const say = (message) => { if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };

  const hear = (raw) => {
    let message;
    try { message = JSON.parse(raw); } catch { return; }
    if (message.swap && message.seq) {
      if (message.seq <= (wanted.get(message.swap) ?? -1)) return; // a reconnect may send a line twice
      wanted.set(message.swap, message.seq);
    }
    tell(message.type, message);
  };

  const connect = () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(`${scheme}//${location.host}${url}`);
    socket = mine;
    mine.onopen = () => {
      waits = 0;
      up = true;
      say({ watch: "events" });
      for (const [id, after] of wanted) say({ watch: "swap", id, after });
      tell("up");
    };
    mine.onmessage = (event) => hear(event.data);
    mine.onclose = (event) => {
      if (mine !== socket) return;
      if (event.code === SIGNED_OUT) return location.reload(); // the page asks for the sign-in
      if (up || waits === 2) tell("down"); // one quick retry is nobody's business
      up = false;
      waits += 1;
      // Full jitter: many walls of dashboards must not come back in the same second.
      setTimeout(connect, Math.random() * Math.min(15000, 500 * 2 ** waits) + 200);
    };
  };

  const watchShown = () => {
    for (const log of document.querySelectorAll("[data-watch-swap]")) {
      const id = Number(log.dataset.watchSwap);
      if (wanted.has(id)) continue;
      wanted.set(id, Number(log.dataset.after || 0));
      say({ watch: "swap", id, after: wanted.get(id) });
    }
  };
  document.addEventListener("htmx:load", watchShown);
  document.addEventListener("live:end", ({ detail }) => say({ unwatch: "swap", id: detail.swap }));
  addEventListener("pagehide", () => socket?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  watchShown();
  connect();
})();
