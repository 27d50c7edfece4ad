#!/usr/bin/env python3
"""Subscribes to messages of one channel, and receives them: Python 3, standard library alone.

    MCP_URL=http://127.0.0.1:3000/mcp MCP_TOKEN=... CHANNEL=C0123456789 \
    CALLBACK_URL=https://me.example.com/events python3 receiver.py

It listens on PORT (8099) of this machine; CALLBACK_URL is how the server reaches that, by https through a
proxy of yours. On one machine let the server post to it with EVENTS_CALLBACK_HOSTS=127.0.0.1 and give
http://127.0.0.1:8099/events. docs/callbacks.md explains each step.
"""
import base64, hashlib, hmac, json, os, secrets, threading, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = secrets.token_bytes(32)  # Keep it, and use it again, where the program may restart.
SECRET = "whsec_" + base64.b64encode(KEY).decode()
seen = set()  # ids that were worked; a database in earnest


def signed(headers, body):
    """Whether the server made the request, less than five minutes ago: Standard Webhooks."""
    try:
        if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
            return False
    except (TypeError, ValueError):
        return False
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    want = base64.b64encode(hmac.new(KEY, message, hashlib.sha256).digest()).decode()
    # Several signatures stand there while a secret is replaced.
    return any(hmac.compare_digest(s, "v1," + want) for s in (headers["webhook-signature"] or "").split())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > 256 << 10:  # the most that is posted
            return self.answer(413)
        body = self.rfile.read(length)  # the bytes as they came: a signature is over them
        if not signed(self.headers, body):
            return self.answer(401)
        event = json.loads(body)
        if event.get("type") == "verification":  # Nothing is posted before this is repeated.
            return self.answer(200, {"challenge": event["challenge"]})
        if event.get("type") == "gap":  # Events were lost: read them by other means from this cursor on.
            print("gap, go on from", event["cursor"], flush=True)
            return self.answer(200)
        id = self.headers["webhook-id"]
        if id not in seen:  # It may come twice after a crash.
            print(event["name"], id, event["data"].get("user_name"), json.dumps(event["data"].get("text")), flush=True)
            seen.add(id)
        self.answer(200)  # Only now: what is not answered 2xx comes again.

    def answer(self, status, content=None):
        text = json.dumps(content or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def subscribe():
    """Asks for the events, or prolongs that, and returns until when it is granted."""
    params = {
        "name": "message.created",
        "arguments": {"channel": os.environ["CHANNEL"]},
        "delivery": {"mode": "webhook", "url": os.environ["CALLBACK_URL"], "secret": SECRET},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "receiver.py", "version": "1"},
        },
    }
    request = urllib.request.Request(
        os.environ["MCP_URL"],
        data=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "events/subscribe", "params": params}).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["MCP_TOKEN"],
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "events/subscribe",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if "error" in answer:
        raise SystemExit(f"{answer['error']['message']} {answer['error'].get('data')}")
    return answer["result"]


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8099"))), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()  # before the challenge comes
while True:
    granted = subscribe()
    print("subscribed", granted["id"], "until", granted["refreshBefore"], flush=True)
    time.sleep(3600)  # well before it ends; subscribing again prolongs it
