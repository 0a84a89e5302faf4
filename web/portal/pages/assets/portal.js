"use strict";
// Copying, the countdown and the dialog. Every page works without this file.
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => document.querySelectorAll(selector);

  // Copying. If the browser refuses, the text is selected.
  const say = (words) => {
    const place = one("[data-copied]");
    if (!place) return;
    place.textContent = "";
    requestAnimationFrame(() => { place.textContent = words; });
  };
  const select = (source) => {
    if (source instanceof HTMLInputElement) {
      source.focus();
      source.select();
      return;
    }
    getSelection().selectAllChildren(source);
  };
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
      say(button.dataset.said);
    } catch {
      select(source);
      say("Выделено: скопируйте сочетанием Ctrl+C или через меню.");
    }
  };
  for (const button of all("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  // The countdown starts from the seconds of the server, not from the clock of the browser.
  const form = (n, one, few, many) => {
    const tens = n % 100, ones = n % 10;
    if (tens >= 11 && tens <= 14) return many;
    if (ones === 1) return one;
    return ones >= 2 && ones <= 4 ? few : many;
  };
  const words = {
    day: ["день", "дня", "дней"], hour: ["час", "часа", "часов"],
    minute: ["минута", "минуты", "минут"], second: ["секунда", "секунды", "секунд"],
  };
  const count = (n, word) => `${n}\u00a0${form(n, ...words[word])}`;
  const pair = (n, larger, m, smaller) => count(n, larger) + (m ? ` ${count(m, smaller)}` : "");
  const left = (s) => {
    const days = Math.floor(s / 86400), hours = Math.floor(s % 86400 / 3600), minutes = Math.floor(s % 3600 / 60);
    if (days) return pair(days, "day", hours, "hour");
    if (hours) return pair(hours, "hour", minutes, "minute");
    return minutes ? pair(minutes, "minute", s % 60, "second") : count(s, "second");
  };
  for (const place of all("[data-left]")) {
    const end = performance.now() + 1000 * Number(place.dataset.left);
    const tick = () => {
      const seconds = Math.ceil((end - performance.now()) / 1000);
      const said = seconds > 0 ? left(seconds) : "срок закончился";
      if (place.textContent !== said) place.textContent = said;
      if (seconds > 0) setTimeout(tick, 1000);
    };
    tick();
  }

  // The dialog; without it the link leads to a page with the same form.
  for (const opener of all("[data-dialog]")) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog?.showModal) continue;
    opener.setAttribute("role", "button");
    opener.setAttribute("aria-haspopup", "dialog");
    const open = (event) => {
      event.preventDefault();
      dialog.showModal();
      [...dialog.querySelectorAll("input[type=email], input[type=tel]")].find((field) => field.offsetParent)?.focus();
    };
    opener.addEventListener("click", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) open(event);
    });
    opener.addEventListener("keydown", (event) => { if (event.key === " ") open(event); });
  }

  // A confirmation is not shown again when the page is reloaded.
  const address = new URL(location.href);
  if (address.searchParams.has("done") || address.searchParams.has("sent")) {
    address.searchParams.delete("done");
    address.searchParams.delete("sent");
    history.replaceState(null, "", address);
  }
})();
