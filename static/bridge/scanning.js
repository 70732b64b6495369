// The check by scanner: every scan is sent at once, in order, and answered with a sound.
"use strict";

(() => {
    const form = document.getElementById("scan");
    const panel = document.getElementById("check-panel");
    if (!form || !panel) {
        return;
    }
    const input = form.elements.code;
    const waiting = [];
    let isSending = false;

    // [frequency in Hz, from, until in s]
    const SOUNDS = {
        opened: [[660, 0, 0.08]],
        counted: [[1320, 0, 0.08]],
        complete: [[880, 0, 0.1], [1175, 0.1, 0.2], [1568, 0.2, 0.4]],
        wrong: [[196, 0, 0.25], [147, 0.3, 0.75]],
    };
    let audio = null;
    const play = (name) => {
        if (name === "wrong" && navigator.vibrate) {
            navigator.vibrate([200, 80, 200]);
        }
        const Audio = window.AudioContext;
        if (!SOUNDS[name] || !Audio) {
            return;
        }
        audio = audio || new Audio();
        audio.resume();
        for (const [pitch, from, until] of SOUNDS[name]) {
            const tone = audio.createOscillator();
            const loudness = audio.createGain();
            tone.type = name === "wrong" ? "square" : "sine";
            tone.frequency.value = pitch;
            loudness.gain.value = 0.2;
            tone.connect(loudness).connect(audio.destination);
            tone.start(audio.currentTime + from);
            tone.stop(audio.currentTime + until);
        }
    };

    const complain = (text) => {
        const said = document.createElement("p");
        said.className = "verdict wrong";
        said.textContent = `✕ ${text}`;
        panel.querySelector(".verdict")?.remove();
        panel.prepend(said);
        play("wrong");
    };

    const show = (html) => {
        panel.innerHTML = html;
        const state = panel.querySelector(".check-state");
        form.elements.check.value = state.dataset.check;
        form.elements.aside.value = state.dataset.aside;
        panel.dataset.sound = state.dataset.sound;
        play(state.dataset.sound);
    };

    const send = async (code) => {
        const body = new FormData(form);
        body.set("code", code);
        const answer = await fetch(form.action, {
            method: "POST",
            body,
            headers: { "X-Requested-With": "scanner" },
        });
        if (answer.redirected || answer.status === 403) {
            return complain(form.dataset.loggedOut);
        }
        if (!answer.ok) {
            throw new Error(String(answer.status));
        }
        return show(await answer.text());
    };

    const work = async () => {
        if (isSending) {
            return;
        }
        isSending = true;
        while (waiting.length) {
            try {
                await send(waiting.shift());
            } catch {
                // What was scanned after a lost scan might count for another parcel.
                waiting.length = 0;
                complain(form.dataset.lost);
            }
        }
        isSending = false;
    };

    form.addEventListener("submit", (event) => {
        event.preventDefault();
        const code = input.value.trim();
        input.value = "";
        input.focus();
        if (code) {
            waiting.push(code);
            work();
        }
    });

    // A scan lands in the field wherever the focus is.
    document.addEventListener("keydown", (event) => {
        const isTyped = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
        const isElsewhere = !/^(INPUT|TEXTAREA|SELECT|BUTTON)$/.test(document.activeElement.tagName);
        if (event.key === "Escape") {
            input.value = "";
            input.focus();
        } else if (isTyped && isElsewhere) {
            input.focus();
        }
    });
})();
