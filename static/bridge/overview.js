// Refreshes the overview in its place: no reload; focus, open folds and whatever is
// being selected stay as they are.
"use strict";

(() => {
    const EVERY_MS = 30000;
    const overview = document.getElementById("overview");
    const asOf = document.getElementById("as-of");
    const more = document.getElementById("health-more");
    const fold = document.getElementById("health");
    const announcement = document.getElementById("announcement");
    const [clock, trouble] = asOf.children;
    let timer = 0;
    let count = Number(document.getElementById("overview-now").dataset.count);
    let readAt = Date.now();

    const isWrong = (root) => root.querySelector("[data-is-wrong]") !== null;

    async function read(url) {
        const headers = { "X-Part": "1" };
        const answer = await fetch(url, { headers, redirect: "manual" });
        if (answer.type === "opaqueredirect" || [401, 403].includes(answer.status)) {
            throw new DOMException("logged out", "NotAllowedError");
        }
        if (!answer.ok) {
            throw new Error(`status ${answer.status}`);
        }
        const parsed = new DOMParser();
        return parsed.parseFromString(await answer.text(), "text/html").body;
    }

    // What is focused is known by where it leads: the part around it is made anew.
    function focusedIn(part) {
        const element = document.activeElement;
        if (!part.contains(element) || element === part) {
            return null;
        }
        const alike = (root) => [...root.querySelectorAll("a, button, summary")].filter(
            (other) => other.tagName === element.tagName
                && other.getAttribute("href") === element.getAttribute("href"));
        const place = alike(part).indexOf(element);
        return () => {
            const found = alike(part);
            (found[place] || found[0])?.focus({ preventScroll: true });
        };
    }

    function isSelecting(part) {
        const selection = document.getSelection();
        return !selection.isCollapsed && part.contains(selection.anchorNode);
    }

    function replace(part, fresh) {
        if (part.innerHTML === fresh.innerHTML || isSelecting(part)) {
            return;
        }
        const refocus = focusedIn(part);
        const open = [...part.querySelectorAll("details[open][id]")].map((d) => d.id);
        part.replaceChildren(...fresh.childNodes);
        open.forEach((id) => part.querySelector(`#${id}`)?.setAttribute("open", ""));
        refocus?.();
    }

    async function readMore() {
        if (fold?.open) {
            const fresh = await read(more.dataset.url);
            replace(more, fresh);
        }
    }

    async function refresh() {
        const fresh = await read(overview.dataset.url);
        const now = fresh.querySelector("#overview-now");
        const parts = [...overview.querySelectorAll("[data-live]")];
        const ids = (list) => list.map((part) => part.id).join();
        if (ids(parts) !== ids([...now.querySelectorAll("[data-live]")])) {
            // Other parts than before: the reader's rights have changed.
            window.location.reload();
            return;
        }
        const wasWrong = isWrong(overview);
        parts.forEach((part) => replace(part, now.querySelector(`#${part.id}`)));
        if (fold && !wasWrong && isWrong(overview)) {
            fold.open = true;
        }
        clock.textContent = now.dataset.asOf;
        trouble.textContent = "";
        const counted = Number(now.dataset.count);
        if (counted !== count) {
            announcement.textContent = `${overview.dataset.announce} ${counted}`;
        }
        count = counted;
        window.desk.tell(count);
        await readMore();
    }

    function stop() {
        window.clearInterval(timer);
        const link = document.createElement("a");
        link.href = window.location.href;
        link.textContent = asOf.dataset.logIn;
        trouble.replaceChildren(asOf.dataset.loggedOut, " ", link);
        window.desk.stop();
    }

    async function attempt(what) {
        try {
            await what();
        } catch (error) {
            if (error.name === "NotAllowedError") {
                stop();
            } else {
                trouble.textContent = asOf.dataset.lost;
            }
        }
    }

    function look() {
        // Hidden, it is only counted: for the title and the sound (desk.js).
        if (!document.hidden && Date.now() - readAt >= EVERY_MS / 2) {
            readAt = Date.now();
            attempt(refresh);
        }
    }

    timer = window.setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
    fold?.addEventListener("toggle", () => attempt(readMore));
    window.addEventListener("hashchange", () => {
        if (fold && window.location.hash === "#health") {
            fold.open = true;
        }
    });
    window.desk.tell(count);
    attempt(readMore);

    const sound = document.getElementById("sound");
    const showSound = () => sound.setAttribute("aria-pressed", window.desk.wantsSound());
    sound.addEventListener("click", () => {
        localStorage.setItem(window.desk.SOUND, window.desk.wantsSound() ? "off" : "on");
        showSound();
        if (window.desk.wantsSound()) {
            window.desk.play();
        }
    });
    sound.hidden = false;
    showSound();
})();
