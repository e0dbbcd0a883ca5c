// Live refresh: when the server sends another mark, fetch this page again and change only what differs. Forms stay as they
// are, and so do the focus, the scroll position and open details. Without this file the pages work, and stand still.
"use strict";

(() => {
  const main = document.getElementById("main");
  const live = document.getElementById("live");
  const RETRY = 5000;
  let events = null;
  let turn = null;
  let fetching = false;
  let wanted = main.dataset.mark;
  let skew = Date.now() / 1000 - Number(main.dataset.now);

  const say = (state) => {
    const text = state === "live" ? "Live" : "Disconnected: this is the last state";
    live.hidden = false;
    live.dataset.state = state;
    main.toggleAttribute("data-stale", state === "lost");
    if (live.textContent !== text) live.textContent = text;
  };

  const duration = (seconds) => {
    if (seconds < 120) return `${seconds} s`;
    if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
  };

  const age = () => {
    const now = Math.floor(Date.now() / 1000 - skew);
    for (const each of document.querySelectorAll(".ago")) {
      const passed = now - Number(each.dataset.at);
      const text = passed >= 0 ? `${duration(passed)} ago` : `in ${duration(-passed)}`;
      if (each.textContent !== text) each.textContent = text;
    }
  };

  const same = (one, other) =>
    one.nodeType === other.nodeType &&
    one.nodeName === other.nodeName &&
    (one.nodeType !== Node.ELEMENT_NODE || key(one) === key(other));

  const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || "" : "");

  const attributes = (old, fresh) => {
    for (const { name } of [...old.attributes]) {
      const mine = name === "data-stale" || (old.nodeName === "DETAILS" && name === "open");
      if (!mine && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };

  const morph = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeName === "FORM") return;
    attributes(old, fresh);
    children(old, fresh);
  };

  const children = (old, fresh) => {
    const keyed = new Map();
    for (const each of old.childNodes) if (key(each)) keyed.set(key(each), each);
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const named = key(child) ? keyed.get(key(child)) : null;
      if (named && same(named, child)) {
        if (named === place) place = place.nextSibling;
        else old.insertBefore(named, place);
        morph(named, child);
      } else if (place && !key(child) && same(place, child)) {
        const next = place.nextSibling;
        morph(place, child);
        place = next;
      } else {
        old.insertBefore(child, place);
      }
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  };

  const refresh = async () => {
    if (fetching) return;
    fetching = true;
    const asked = wanted;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = fresh.getElementById("main");
      if (!content) throw new Error(`${answer.status} without a page`);
      const focused = document.activeElement;
      for (const selector of ["nav", "footer"]) morph(document.querySelector(selector), fresh.querySelector(selector));
      morph(main, content);
      if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
      skew = Date.now() / 1000 - Number(main.dataset.now);
      document.title = fresh.title;
      age();
      say("live");
    } catch (error) {
      say("lost");
    }
    // A page that takes long costs the server much: leave it in peace for a multiple of that time.
    const rest = Math.max(500, 4 * (performance.now() - began));
    setTimeout(() => {
      fetching = false;
      if (wanted !== asked) refresh();
    }, rest);
  };

  const hear = (mark) => {
    if (!mark) return say("lost");
    say("live");
    wanted = mark;
    // No mark tells of other replicas: what shows them is fetched again with each beat, every few seconds.
    if (wanted !== main.dataset.mark || main.querySelector("[data-beat]")) refresh();
  };

  // A browser has six connections to a server, for all windows together: one window follows the server, and tells the
  // others. Where the browser has no locks (HTTP from another machine), each window follows.
  const channel = new BroadcastChannel("mark");
  channel.addEventListener("message", (event) => hear(event.data));

  const tell = (mark) => {
    channel.postMessage(mark);
    hear(mark);
  };

  const follow = () => {
    events = new EventSource("/events");
    events.addEventListener("mark", (event) => tell(event.data));
    events.addEventListener("error", () => {
      tell("");
      if (!events || events.readyState !== EventSource.CLOSED) return;
      events = null;
      setTimeout(() => turn && !events && follow(), RETRY);
    });
  };

  const open = () => {
    if (turn || document.hidden) return;
    turn = new AbortController();
    const { signal } = turn;
    if (!navigator.locks) return follow();
    const untilClosed = () =>
      new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
        follow();
      });
    navigator.locks.request("events", { signal }, untilClosed).catch(() => {});
  };

  const close = () => {
    if (turn) turn.abort();
    if (events) events.close();
    turn = events = null;
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    open();
    refresh();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);

  // "/" goes to the first search or URL field, as elsewhere.
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = main.querySelector("input");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  });

  setInterval(age, 10000);
  open();
})();
