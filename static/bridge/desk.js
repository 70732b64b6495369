// On every page of the admin: how many things wait for a person, in the tab's title, a
// sound when they become more, for those who want it, and the way to the search box.
"use strict";

(() => {
    const { countUrl, user } = document.currentScript.dataset;
    const EVERY_MS = 60000;
    // Shared by the tabs of one browser: one of them asks, all of them show.
    const COUNT = `bridge-count-${user}`;
    const SOUND = "bridge-sound";
    const title = () => document.title.replace(/^\(\d+\) /, "");
    let timer = 0;
    let audio = null;

    function known() {
        try {
            return JSON.parse(localStorage.getItem(COUNT)) || {};
        } catch {
            return {};
        }
    }

    function show(count) {
        document.title = count ? `(${count}) ${title()}` : title();
        // On the icon of the installed site; a browser may refuse, and then says so.
        const shown = count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.();
        shown?.catch(() => {});
    }

    function wantsSound() {
        return localStorage.getItem(SOUND) === "on";
    }

    // Two short notes; nothing is loaded for them.
    function play() {
        audio = audio || new AudioContext();
        audio.resume().then(() => {
            [659, 988].forEach((frequency, place) => {
                const at = audio.currentTime + place * 0.16;
                const note = audio.createOscillator();
                const loudness = audio.createGain();
                note.frequency.value = frequency;
                loudness.gain.setValueAtTime(0.0001, at);
                loudness.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
                loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
                note.connect(loudness).connect(audio.destination);
                note.start(at);
                note.stop(at + 0.32);
            });
            document.dispatchEvent(new CustomEvent("desk:sound"));
        });
    }

    // A page just read knows the count; so does the overview, each time it refreshes.
    function tell(count) {
        const before = known().count;
        localStorage.setItem(COUNT, JSON.stringify({ count, at: Date.now() }));
        show(count);
        if (before !== undefined && count > before && wantsSound()) {
            play();
        }
    }

    function stop() {
        window.clearInterval(timer);
        localStorage.removeItem(COUNT);
        show(0);
    }

    async function look() {
        const { count, at } = known();
        if (at && Date.now() - at < EVERY_MS - 5000) {
            show(count);
            return;
        }
        // Whichever tab comes first asks for all.
        localStorage.setItem(COUNT, JSON.stringify({ count, at: Date.now() }));
        try {
            const answer = await fetch(countUrl, { redirect: "manual" });
            if (answer.ok) {
                tell((await answer.json()).count);
            } else if (answer.status < 500) {
                // Logged out: what waits is no longer this reader's.
                stop();
            }
        } catch {
            // The bridge does not answer: the next time will tell.
        }
    }

    window.desk = { tell, stop, play, wantsSound, SOUND };
    window.addEventListener("storage", (event) => {
        if (event.key === COUNT && event.newValue) {
            show(JSON.parse(event.newValue).count);
        }
    });
    // A browser lets a page sound only after somebody has touched it.
    const wake = () => {
        if (wantsSound()) {
            audio = audio || new AudioContext();
            audio.resume();
        }
    };
    document.addEventListener("pointerdown", wake, { once: true });
    document.addEventListener("keydown", wake, { once: true });
    // "/" leads to the search box, from wherever nothing is being typed.
    const box = document.getElementById("search-everywhere");
    const isTyping = (element) => element.isContentEditable
        || ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName);
    document.addEventListener("keydown", (event) => {
        const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey;
        if (box && event.key === "/" && isPlain && !isTyping(event.target)) {
            event.preventDefault();
            box.focus();
            box.select();
        }
    });
    timer = window.setInterval(look, EVERY_MS);
    if (!document.getElementById("overview")) {
        look();
    }
})();
