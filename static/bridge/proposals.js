// The ticks of the page that shows what would change.
"use strict";

{
    const form = document.getElementById("proposal");
    const all = document.getElementById("tick-all");
    const ticks = [...form.querySelectorAll('input[name="row"]')];
    const number = document.getElementById("ticked-number");
    const chosen = document.getElementById("which-chosen");

    const follow = () => {
        const ticked = ticks.filter((tick) => tick.checked).length;
        number.textContent = ` (${ticked})`;
        all.checked = ticked === ticks.length;
        all.indeterminate = ticked > 0 && ticked < ticks.length;
        if (ticked < ticks.length) {
            chosen.checked = true;
        }
    };

    if (all) {
        all.addEventListener("change", () => {
            for (const tick of ticks) {
                tick.checked = all.checked;
            }
            follow();
        });
        for (const tick of ticks) {
            tick.addEventListener("change", follow);
        }
        follow();
    }
}
