// What is nicer with a script. Every page does its job without it.
"use strict";

// A list: each box is kept as it is checked, one after the other.
const list = document.querySelector("form[data-list]");
if (list && list.dataset.list) {
  const boxes = [...list.querySelectorAll('input[name="id"]:not(:disabled)')];
  const all = list.querySelector("[data-all]");
  const tell = () => {
    const n = boxes.filter((b) => b.checked).length;
    all.checked = n > 0 && n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
  };
  let kept = Promise.resolve();
  const keep = () => {
    tell();
    const form = new URLSearchParams([["shown", list.elements.shown.value]]);
    for (const b of boxes) if (b.checked) form.append("id", b.value);
    kept = kept.then(() => fetch(list.dataset.list, { method: "POST", body: form, keepalive: true }))
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
      .then((n) => {
        if (!/^\d+$/.test(n)) return;
        list.querySelector("[data-chosen]").textContent = n;
        list.querySelector("[data-clear]").hidden = n === "0";
      })
      .catch(() => {}); // the form brings the boxes along, too
  };
  all.hidden = boxes.length === 0;
  all.addEventListener("change", () => {
    for (const b of boxes) b.checked = all.checked;
    keep();
  });
  for (const b of boxes) b.addEventListener("change", keep);
  tell();
}

// A button that makes the server read the directory says so.
for (const form of document.forms) {
  form.addEventListener("submit", (e) => {
    const text = e.submitter && e.submitter.dataset.slow;
    if (!text) return;
    const note = document.createElement("div");
    note.className = "info reading";
    note.setAttribute("role", "status");
    note.append(text, document.createElement("progress"));
    note.lastChild.setAttribute("aria-label", text);
    e.submitter.closest("form").before(note);
  });
}
window.addEventListener("pageshow", () => document.querySelectorAll(".reading").forEach((n) => n.remove()));

// What is under way is looked at again until it is over; then the page is loaded anew,
// but not while somebody types.
const going = document.querySelector("[data-going]");
if (going) {
  const lost = going.querySelector("[data-lost]");
  const look = async () => {
    try {
      const answer = await fetch(location, { signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw answer.status;
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-going]");
      if (!now && !document.activeElement.matches("input, select")) return location.reload();
      if (now) {
        for (const part of going.querySelectorAll("[data-part]")) {
          const text = now.querySelector(`[data-part=${part.dataset.part}]`).textContent;
          if (part.textContent !== text) part.textContent = text;
        }
        const value = now.querySelector("progress").getAttribute("value");
        if (value) going.querySelector("progress").value = value;
      }
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
    setTimeout(look, 500);
  };
  setTimeout(look, 500);
}

// The message box keeps the focus, and Escape closes it.
const message = document.querySelector("dialog[open]");
if (message) {
  message.close();
  message.showModal();
}

// Looking for somebody among many names.
for (const block of document.querySelectorAll(".find")) {
  const field = block.querySelector("input");
  const names = [...block.parentElement.querySelectorAll("li")];
  block.hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const li of names) li.hidden = !li.textContent.toLowerCase().includes(wanted);
    block.querySelector("[role=status]").textContent = wanted ? `${names.filter((li) => !li.hidden).length} of ${names.length}` : "";
  });
}
