/* On a narrow screen: cells of a list know their column, so that rows can be cards, and
   the buttons that are seldom meant wait under "More", below what the page says first.
   Without it lists scroll sideways and all buttons are shown. */
"use strict";

(() => {
    const narrow = window.matchMedia("(max-width: 767px)");
    const { more, all } = document.currentScript.dataset;
    const NOTHING = /^[\s—-]*$/;

    // More columns than this, and longer words, do not fit side by side.
    const FEW = 2;
    const LONG = 15;

    const nameCells = (table) => {
        const columns = [...table.querySelectorAll("thead th")].map((head) =>
            (head.querySelector(".text") ?? head).textContent.trim());
        if (columns.length <= FEW || table.matches(".sheet-table, .picking, .money-table")) {
            return;
        }
        for (const row of table.tBodies[0]?.rows ?? []) {
            [...row.cells].forEach((cell, place) => {
                const text = cell.textContent.trim();
                const longest = Math.max(
                    ...cell.innerText.split("\n").map((line) => line.trim().length));
                const holds = cell.querySelector("input, select, textarea, img, svg, button");
                cell.dataset.label = columns[place] ?? "";
                cell.classList.toggle("says-nothing", !holds && NOTHING.test(text));
                cell.classList.toggle("is-long", longest > LONG || Boolean(holds));
            });
        }
        const chooseAll = table.querySelector("thead .action-checkbox-column");
        if (chooseAll) {
            chooseAll.dataset.label = all;
        }
        table.classList.add("has-cards");
    };

    const isMain = (item) => item.matches(".main") || item.querySelector(".main") !== null;

    const fold = (buttons) => {
        const items = [...buttons.children];
        if (items.length < 3) {
            return;
        }
        const kept = items.filter(isMain);
        const rest = items.filter((item) => !(kept.length ? kept : items.slice(0, 1)).includes(item));
        const details = document.createElement("details");
        details.className = "more-buttons";
        const summary = document.createElement("summary");
        summary.className = "action";
        summary.textContent = more;
        const box = document.createElement("div");
        box.append(...rest);
        details.append(summary, box);
        buttons.append(details);
    };

    const unfold = (buttons) => {
        const details = buttons.querySelector(".more-buttons");
        if (details) {
            buttons.append(...details.lastElementChild.children);
            details.remove();
        }
    };

    const titleRow = document.querySelector(".title-row");
    const buttons = titleRow?.querySelector(".page-buttons");
    const status = document.querySelector("#content .order-head");
    const arrange = () => {
        if (!buttons) {
            return;
        }
        if (narrow.matches) {
            fold(buttons);
            status?.after(buttons);
        } else {
            unfold(buttons);
            titleRow.append(buttons);
        }
    };
    for (const table of document.querySelectorAll("#result_list, .scroll > table.plain")) {
        nameCells(table);
    }
    arrange();
    narrow.addEventListener("change", arrange);
})();
