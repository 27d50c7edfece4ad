// What pages do beyond links, forms and parts that htmx fetches. No page needs it to be read.
"use strict";

// Until htmx has taken the page over, a form waits for it. Else the browser would load the page anew, and close what a
// person has opened in it.
let taken = false;
const waiting = [];
// Whoever sees nothing come of it presses Enter again, or the button: it is done once.
const does = (button) => button && button.name ? button.name + "=" + button.value : "";
function takeOver() {
  taken = true;
  for (const [form, button] of waiting.splice(0)) form.requestSubmit(button);
}
document.addEventListener("submit", (e) => {
  if (taken || !e.target.matches("[hx-post]")) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  if (!waiting.some(([form, button]) => form === e.target && does(button) === does(e.submitter))) waiting.push([e.target, e.submitter]);
}, true);
document.addEventListener("htmx:after:process", (e) => e.target === document.body && takeOver());
// Without htmx the forms are sent as forms are.
window.addEventListener("load", () => window.htmx || takeOver());

// Enter sends the form of a text field that asks for it; Shift+Enter is a new line.
const sends = (e) => e.key === "Enter" && !e.shiftKey && !e.isComposing && e.target.matches("textarea[data-enter-sends]");
document.addEventListener("keydown", (e) => {
  if (!sends(e)) return;
  e.preventDefault();
  if (!e.repeat) e.target.form.requestSubmit();
});
// What types without keys, such as some keyboards of phones, brings the new line by itself: the field may be empty again by then.
document.addEventListener("keypress", (e) => sends(e) && e.preventDefault());

// What a text field had when its form was sent.
const sentTexts = new WeakMap();
document.addEventListener("htmx:before:request", (e) => {
  const source = e.detail && e.detail.ctx && e.detail.ctx.sourceElement;
  const form = source && source.closest("form[data-reset]");
  for (const field of form ? form.querySelectorAll("textarea") : []) sentTexts.set(field, field.value);
});

// A form that asks for it is empty again after it was taken, but for what was typed behind it meanwhile, and an old note goes.
document.addEventListener("htmx:after:request", (e) => {
  const ctx = e.detail && e.detail.ctx;
  const form = ctx && ctx.sourceElement && ctx.sourceElement.closest("form");
  const status = ctx && ctx.response ? ctx.response.status : 0;
  if (!form || status < 200 || status > 299) return;
  document.getElementById("note").replaceChildren();
  if (!form.matches("[data-reset]")) return;
  const typed = [...form.querySelectorAll("textarea")].map((field) => {
    const sent = sentTexts.get(field) || "";
    return [field, field.value.startsWith(sent) ? field.value.slice(sent.length) : ""];
  });
  form.reset();
  for (const [field, text] of typed) field.value = text;
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

// A log stays at its end, unless a person has scrolled up in it, or is about something in it: what they have opened or are
// about to press must not move away from under them.
function toEnd(log) {
  log.scrollTop = log.scrollHeight;
}
const busy = (log) => log.querySelector("details[open]") || log !== document.activeElement && log.contains(document.activeElement);
const ends = new WeakMap();
function logs() {
  for (const log of document.querySelectorAll("[data-at-end]")) {
    if (ends.has(log)) continue;
    ends.set(log, true);
    toEnd(log);
    log.addEventListener("scroll", () => ends.set(log, log.scrollHeight - log.scrollTop - log.clientHeight < 60));
    log.addEventListener("toggle", (e) => e.target.open && e.target.scrollIntoView({ block: "nearest" }), true);
    new MutationObserver(() => ends.get(log) && !busy(log) && toEnd(log)).observe(log, { childList: true, subtree: true });
  }
}

// A table that is wider than its place can be scrolled by the keyboard.
function tables() {
  for (const t of document.querySelectorAll("table")) {
    if (t.scrollWidth > t.clientWidth) t.tabIndex = 0;
    else t.removeAttribute("tabindex");
  }
}
window.addEventListener("resize", tables);

// What has come into a live part is said in a few words to those who do not see it: a reader of the screen would read the
// whole part. Its entries have a data-key, which stays while they do; one with a text in data-say is said so, the others are
// counted, with the part's words for one and for several. What comes within a second is said together.
const parts = new WeakMap(), come = new Map();
let told = [], saying = 0;
function announce() {
  for (const part of document.querySelectorAll("[data-announce]")) {
    const entries = [...part.querySelectorAll("[data-key]")], known = parts.get(part);
    parts.set(part, new Set(entries.map((e) => e.dataset.key)));
    if (!known) continue;
    for (const e of entries) {
      if (known.has(e.dataset.key)) continue;
      if (e.dataset.say) told.push(e.dataset.say);
      else come.set(part.dataset.announce, (come.get(part.dataset.announce) || 0) + 1);
    }
  }
  if ((told.length || come.size) && !saying) saying = setTimeout(say, 1000);
}
function say() {
  const said = told.concat([...come].map(([words, n]) => n + " " + words.split("|")[n === 1 ? 0 : 1])).join(". ");
  come.clear();
  told = [];
  saying = 0;
  const region = document.getElementById("announced");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = said; }); // the same words once more are new ones
}

// A dialog that the server shows is opened as a modal one: the focus stays in it, and Escape closes it.
function dialogs() {
  for (const d of document.querySelectorAll("dialog[data-modal]:not([open])")) {
    d.showModal();
    // The browser would choose the button that Enter presses, which nobody sees.
    const first = d.querySelector(":is(input:not([type=hidden]), select, textarea)") || d.querySelector("button:not(.unseen)");
    if (first) first.focus();
  }
}
// Escape closes it as its button does: the server hears of it.
document.addEventListener("cancel", (e) => {
  const close = e.target.matches("dialog[data-modal]") && e.target.querySelector("button[name=close]");
  if (close) {
    e.preventDefault();
    close.click();
  }
}, true);
// What is open where there is room begins closed on a phone.
function narrow() {
  if (matchMedia("(max-width: 720px)").matches) for (const d of document.querySelectorAll("details[data-open-wide]")) d.open = false;
}
document.addEventListener("DOMContentLoaded", () => { narrow(); logs(); dialogs(); tables(); announce(); });
document.addEventListener("htmx:after:swap", () => { logs(); dialogs(); tables(); announce(); });
