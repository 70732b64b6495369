// Keeps the orders' pages fresh while nobody is at work in them.
"use strict";

(() => {
    const underWay = document.querySelector("[data-under-way]");
    const list = document.querySelector(".change-list .tabs");
    if (!underWay && !list) {
        return;
    }
    let touched = false;
    document.addEventListener("input", () => { touched = true; });
    document.addEventListener("change", () => { touched = true; });
    const isBusy = () => touched || document.hidden
        || document.querySelector("details[open]:not(.similar), .action-select:checked") !== null;
    window.setInterval(() => {
        // Only a page that was asked for by GET may be asked for again.
        if (!isBusy() && document.activeElement.tagName !== "INPUT") {
            window.location.replace(window.location.href);
        }
    }, underWay ? 4000 : 60000);
})();
