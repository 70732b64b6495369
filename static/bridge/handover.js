// The packer's pages: choosing parcels, printing, and looking again afterwards.
"use strict";

(() => {
    for (const button of document.querySelectorAll("[data-print-page]")) {
        button.addEventListener("click", () => window.print());
    }

    const form = document.querySelector("[data-prints]");
    if (!form) {
        return;
    }
    const boxes = [...form.querySelectorAll("input[name=order]")];
    const all = form.querySelector("[data-choose-all]");
    const chosen = form.querySelector("[data-needs-choice]");
    const show = () => {
        const number = boxes.filter((box) => box.checked).length;
        if (chosen) {
            chosen.disabled = number === 0;
        }
        if (all) {
            all.checked = number === boxes.length;
            all.indeterminate = number > 0 && number < boxes.length;
        }
    };
    form.addEventListener("change", (event) => {
        if (event.target === all) {
            for (const box of boxes) {
                box.checked = all.checked;
            }
        }
        show();
    });
    show();

    // The file opens beside; whoever comes back sees what is printed now.
    let printed = false;
    form.addEventListener("submit", () => { printed = true; });
    const lookAgain = () => {
        if (printed && !document.hidden) {
            window.location.replace(window.location.href);
        }
    };
    document.addEventListener("visibilitychange", lookAgain);
    window.addEventListener("focus", lookAgain);
})();
