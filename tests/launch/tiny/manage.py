"""A bridge that is small enough to be updated in a second; run.py is the real one's.

`plan.json` beside it says how this revision behaves; a file `hold-X` in the home folder
lets it stand still at X for as long as it is there.
"""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = Path(os.environ.get("BRIDGE_HOME") or HERE)
PLAN = json.loads((HERE / "plan.json").read_text())
NAME = HERE.name
is_rehearsed = "DATABASE_URL_FILE" in os.environ
DATABASE = HOME / "var" / "db.json"
if is_rehearsed:
    url = Path(os.environ["DATABASE_URL_FILE"]).read_text()
    DATABASE = Path(url.partition("sqlite:///")[2])


def hold(where):
    while (HOME / f"hold-{where}").exists():
        time.sleep(0.02)


def note(text):
    with (HOME / "var" / "notes.txt").open("a") as file:
        file.write(f"{NAME} {text}\n")


def read():
    if not DATABASE.exists():
        return {"migrations": [], "sequence": 0}
    return json.loads(DATABASE.read_text())


def save(content):
    DATABASE.parent.mkdir(exist_ok=True)
    # Whole at any moment: tests look at it.
    draft = DATABASE.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.replace(DATABASE)


def migrate():
    content = read()
    for name in PLAN["migrations"]:
        if name not in content["migrations"]:
            content["migrations"].append(name)
            save(content)
            if not is_rehearsed:
                hold("migrate")
    save(content)
    breaks = PLAN.get("migrate")
    if breaks == "breaks" or (breaks == "breaks here" and not is_rehearsed):
        sys.exit("the migration is broken")


def update_database(action, name=""):
    threading.Thread(target=end_with_parent, daemon=True).start()
    file = HOME / "var" / f"kept-{name}.json"
    told = {}
    if action == "keep":
        hold("keep")
        if PLAN.get("keep") == "breaks":
            sys.exit("the disk is full")
        shutil.copy(DATABASE, file)
        told = {"file": str(file), "sequence": read()["sequence"]}
    elif action == "take_back":
        hold("take_back")
        shutil.copy(name, DATABASE)
        note("took the database back")
    elif action == "pending":
        told = {"pending": bool({*PLAN["migrations"]} - {*read()["migrations"]})}
    elif action == "migrate":
        migrate()
    elif action == "copy" and DATABASE.exists():
        shutil.copy(DATABASE, name)
    elif action == "sequence":
        told = {"sequence": read()["sequence"]}
    sys.stdout.write(json.dumps(told) + "\n")


def end_with_parent():
    while os.read(0, 100):
        continue
    os._exit(1)


def serve(port):
    # Here alone: most of its commands are over before this were imported.
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"web": True, "revision": NAME[:12]}).encode()
            if NAME == "home":
                head = (HERE / ".git" / "refs" / "heads" / "main").read_text().strip()
                body = json.dumps({"web": True, "revision": head[:12]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def bridge():
    threading.Thread(target=end_with_parent, daemon=True).start()
    control = Path(os.environ["BRIDGE_CONTROL"])
    port = int((HOME / ".env").read_text().split("=")[1])
    parts = {
        name: {"pid": 0, "seen": False, "starts": 0}
        for name in ("web", "dispatch", "orders", "imports")
    }
    while True:
        wanted = (control / "wanted").read_text().split()
        for name, part in parts.items():
            if name in wanted and not part["pid"]:
                hold(f"start-{name}")
                part.update(pid=os.getpid(), starts=part["starts"] + 1, seen=True)
                note(f"starts {name}")
                if name == "web" and PLAN.get("web") != "is silent":
                    serve(port)
                if name == "dispatch" and PLAN.get("dispatch") == "sends":
                    content = read()
                    save({**content, "sequence": content["sequence"] + 1})
            elif name not in wanted and part["pid"]:
                hold(f"end-{name}")
                part.update(pid=0, seen=False)
                note(f"ends {name}")
            if part["pid"] and PLAN.get(name) == "dies":
                part.update(starts=part["starts"] + 1)
        draft = control / "running.new"
        draft.write_text(json.dumps({"address": f"127.0.0.1:{port}", "parts": parts}))
        draft.replace(control / "running.json")
        time.sleep(0.05)


def main(command, *arguments):
    if PLAN.get(command) == "fails":
        sys.exit(f"{command} fails")
    if command == "migrate" and "--plan" not in arguments:
        migrate()
    elif command == "update_database":
        update_database(*[each for each in arguments if not each.startswith("--")])
    elif command == "bridge":
        if "--prepare" in arguments:
            if (HOME / "hold-room").exists():
                note("finds no room")
                sys.exit(74)
            migrate()
        bridge()


main(*sys.argv[1:])
