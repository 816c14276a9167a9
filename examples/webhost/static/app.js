// What is nicer with a script. Every page does its job without it.
"use strict";

// Select all, and how many are selected.
const all = document.querySelector("[data-all]");
if (all) {
  const boxes = [...document.querySelectorAll('input[name="id"]:not(:disabled)')];
  const tell = () => {
    const n = boxes.filter((b) => b.checked).length;
    document.getElementById("selected").textContent = n ? `${n} selected` : "";
    all.checked = n > 0 && n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
  };
  all.hidden = boxes.length === 0;
  all.addEventListener("change", () => {
    for (const b of boxes) b.checked = all.checked;
    tell();
  });
  for (const b of boxes) b.addEventListener("change", tell);
  tell(); // browsers keep the boxes of a page that is loaded again
}

// The progress of a run.
const running = document.querySelector("[data-progress]");
if (running) {
  const events = new EventSource(running.dataset.progress);
  events.onmessage = (e) => {
    const [done] = e.data.split(" ");
    running.querySelector("progress").value = done;
    const text = running.querySelector("[data-done]");
    if (text && text.textContent !== done) text.textContent = done;
  };
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
}
