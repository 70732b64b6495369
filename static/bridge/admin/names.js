/* Names what Django and Select2 leave nameless, and lets a keyboard scroll what scrolls.
   Without it everything works for those who see and use a mouse. */
"use strict";

(() => {
    const textOf = (element) => (element?.textContent ?? "").trim().replace(/:$/, "");

    /* The label or legend of the form's row that holds an element. */
    const rowName = (element) =>
        textOf(element.closest(".form-row, .asked")?.querySelector("label, legend, b"));

    const name = (element, text) => {
        if (text && element.getAttribute("aria-label") !== text) {
            element.removeAttribute("aria-labelledby");
            element.setAttribute("aria-label", text);
        }
    };

    const nameAll = () => {
        for (const box of document.querySelectorAll(".select2-selection[role=combobox]")) {
            const value = textOf(box.querySelector(".select2-selection__rendered"));
            name(box, [rowName(box), value].filter(Boolean).join(": "));
            const shown = box.querySelector("[role=textbox]");
            shown?.removeAttribute("role");
            shown?.removeAttribute("aria-readonly");
        }
        for (const part of document.querySelectorAll(".datetime input")) {
            const kind = part.previousSibling?.textContent ?? "";
            name(part, [rowName(part), kind.trim().replace(/:$/, "")].join(" "));
        }
        for (const region of document.querySelectorAll(".scroll, .results")) {
            region.toggleAttribute("data-scrolls", region.scrollWidth > region.clientWidth);
            if (region.hasAttribute("data-scrolls")) {
                region.tabIndex = 0;
            } else {
                region.removeAttribute("tabindex");
            }
        }
    };

    document.addEventListener("click", (event) => {
        if (!event.target.closest(".skip-to-rows")) return;
        const first = document.querySelector("#result_list tbody a[href]");
        if (first) {
            event.preventDefault();
            first.focus();
        }
    });

    let asked = 0;
    const later = () => {
        cancelAnimationFrame(asked);
        asked = requestAnimationFrame(nameAll);
    };
    window.addEventListener("load", nameAll);
    window.addEventListener("resize", later);
    document.addEventListener("toggle", later, true);
    new MutationObserver(later).observe(document.documentElement, {
        childList: true,
        subtree: true,
    });
})();
