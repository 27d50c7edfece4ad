// What pages do beyond links, forms and parts that htmx fetches. No page needs it to be read.
"use strict";

// Enter sends the form of a text field that asks for it; Shift+Enter is a new line.
document.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.target.matches("textarea[data-enter-sends]")) {
    e.preventDefault();
    e.target.form.requestSubmit();
  }
});

// A form that asks for it is empty again after it was taken, and an old note goes.
document.addEventListener("htmx:after:request", (e) => {
  const ctx = e.detail && e.detail.ctx;
  const form = ctx && ctx.sourceElement && ctx.sourceElement.closest("form");
  const status = ctx && ctx.response ? ctx.response.status : 0;
  if (!form || status < 200 || status > 299) return;
  document.getElementById("note").replaceChildren();
  if (form.matches("[data-reset]")) form.reset();
});

// A button that asks first. hx-confirm is not used for it: it takes some texts for script.
document.addEventListener("click", (e) => {
  const button = e.target.closest("[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) {
    e.preventDefault();
    e.stopImmediatePropagation();
  }
}, true);

// A choice that asks for it sends its form.
document.addEventListener("change", (e) => {
  if (e.target.matches("[data-change-sends]")) e.target.form.requestSubmit();
});

// A log stays at its end, unless a person has scrolled up in it.
function toEnd(log) {
  log.scrollTop = log.scrollHeight;
}
const ends = new WeakMap();
function logs() {
  for (const log of document.querySelectorAll("[data-at-end]")) {
    if (ends.has(log)) continue;
    ends.set(log, true);
    toEnd(log);
    log.addEventListener("scroll", () => ends.set(log, log.scrollHeight - log.scrollTop - log.clientHeight < 60));
    new MutationObserver(() => ends.get(log) && toEnd(log)).observe(log, { childList: true, subtree: true });
  }
}

// A dialog that the server shows is opened as a modal one: the focus stays in it, and Escape closes it.
function dialogs() {
  for (const d of document.querySelectorAll("dialog[data-modal]:not([open])")) d.showModal();
}
document.addEventListener("DOMContentLoaded", () => { logs(); dialogs(); });
document.addEventListener("htmx:after:swap", () => { logs(); dialogs(); });
