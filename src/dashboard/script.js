// Keeps the parts of a page that say `data-live="SECONDS"` up to date, by loading the page anew and taking them over.
// Pages are whole without it. A document that is loaded this way runs no script.
"use strict";
(function () {
  const parts = document.querySelectorAll("[data-live]");
  let paused = false;
  let says = function () {};

  function busy(part) {
    const chosen = document.getSelection();
    return part.contains(document.activeElement) || (chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode));
  }

  function renew(fresh) {
    document.querySelectorAll("[data-live]").forEach(function (part) {
      const next = fresh.getElementById(part.id);
      if (!next || busy(part)) return;
      const places = Array.from(part.querySelectorAll(".wide"), function (wide) { return wide.scrollLeft; });
      const taken = document.adoptNode(next);
      part.replaceWith(taken);
      taken.querySelectorAll(".wide").forEach(function (wide, at) { wide.scrollLeft = places[at] || 0; });
    });
  }

  function load(done) {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.setRequestHeader("x-renew", "1");
    request.responseType = "document";
    request.timeout = 20000;
    request.onloadend = function () {
      if (request.status === 200 && request.response) {
        renew(request.response);
        says(paused ? "Paused" : "Live");
      } else {
        says(request.status === 401 ? "Signed out" : "No answer");
      }
      // Signed out: the page stays as it is, and the next click leads to the form.
      if (request.status !== 401) done();
    };
    request.send();
  }

  function later() {
    const seconds = Math.min(...Array.from(parts, function (part) { return Number(part.dataset.live) || 5; }));
    setTimeout(function () {
      if (paused || document.hidden) later();
      else load(later);
    }, seconds * 1000);
  }

  if (parts.length > 0) {
    const heading = document.querySelector("h1");
    const button = document.createElement("button");
    button.className = "quiet live";
    button.type = "button";
    const tell = function () {
      button.textContent = paused ? "Paused" : "Live";
      button.setAttribute("aria-pressed", String(!paused));
    };
    says = function (word) { button.textContent = word; };
    button.addEventListener("click", function () { paused = !paused; tell(); });
    tell();
    heading.after(button);
    later();
  }

  document.querySelectorAll("[data-select]").forEach(function (field) {
    field.addEventListener("focus", function () { field.select(); });
  });
})();
