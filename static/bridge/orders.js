// Keeps the orders' pages fresh while nobody is at work in them.
"use strict";

(() => {
    // Where the reader was: a page that comes anew begins at its top.
    const PLACE = "bridge-place";
    const [address] = window.location.href.split("#");
    const kept = JSON.parse(sessionStorage.getItem(PLACE) || "null");
    sessionStorage.removeItem(PLACE);
    if (kept?.address === address) {
        window.scrollTo(0, kept.top);
    }
    const underWay = document.querySelector("[data-under-way]");
    const list = document.querySelector(".change-list .tabs");
    if (!underWay && !list) {
        return;
    }
    let touched = false;
    document.addEventListener("input", () => { touched = true; });
    document.addEventListener("change", () => { touched = true; });
    // A page that was asked for and is slow to come: asking for this one anew would
    // call it off, as if nobody had clicked. A file that is taken leaves the page here.
    const LEAVES_WITHIN_MS = 180000;
    let isLeft = false;
    window.addEventListener("beforeunload", () => {
        isLeft = true;
        window.setTimeout(() => { isLeft = false; }, LEAVES_WITHIN_MS);
    });
    const isBusy = () => touched || isLeft || document.hidden
        || !document.getSelection().isCollapsed
        || document.querySelector("details[open]:not(.similar), .action-select:checked") !== null;
    window.setInterval(() => {
        // Only a page that was asked for by GET may be asked for again.
        if (!isBusy() && document.activeElement.tagName !== "INPUT") {
            sessionStorage.setItem(PLACE, JSON.stringify({ address, top: window.scrollY }));
            window.location.replace(address);
        }
    }, underWay ? 4000 : 60000);
})();
