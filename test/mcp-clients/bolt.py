# Slack's own libraries of Python receive what this program sends: slack_sdk's SignatureVerifier judges
# what is posted to /verify, and Bolt's adapter takes what is posted to /slack/events, answers commands
# and buttons, and replies in the workspace. Each of them prints a line.
#
#   SLACK_API_URL=... SLACK_BOT_TOKEN=... SLACK_SIGNING_SECRET=... python bolt.py
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from slack_bolt import App, BoltRequest
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier

verifier = SignatureVerifier(os.environ["SLACK_SIGNING_SECRET"])
client = WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
app = App(client=client, signing_secret=os.environ["SLACK_SIGNING_SECRET"], process_before_response=True)


def told(*words):
    print(*words, flush=True)


@app.event("message")
def message(event, say):
    if event.get("bot_id"):
        return
    told("message", event["text"])
    said = say({"text": "Approve?", "blocks": [{
        "type": "actions",
        "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "action_id": "approve", "value": "yes"}],
    }]})
    told("replied", said["ok"])


@app.action("approve")
def approve(ack, action):
    ack()
    told("action", action["value"])


@app.command("/deploy")
def deploy(ack, command):
    ack("deploying " + command["text"])
    told("command", command["text"])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {k.lower(): v for k, v in self.headers.items()}
        if self.path == "/verify":
            valid = verifier.is_valid_request(body, headers)
            forged = verifier.is_valid_request(body + " ", headers)
            told("verified", valid, "forged", forged)
            return self.answer(200 if valid and not forged else 401, "")
        taken = app.dispatch(BoltRequest(body=body, headers={k: [v] for k, v in headers.items()}))
        self.answer(taken.status, taken.body, taken.headers)

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, values in (headers or {}).items():
            for value in values:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
told("listening", server.server_port)
threading.Timer(120, lambda: os._exit(1)).start()
server.serve_forever()
