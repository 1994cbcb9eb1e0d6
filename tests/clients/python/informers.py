"""Informers of the Python client: lists, then watches from there, over and over, while the server dies and history is
cut off behind it. For each line of standard input it says on standard output what it knows, as a line of JSON."""

import json
import sys
import threading
import time

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from urllib3.exceptions import HTTPError

NAMESPACE = "default"
LABEL = "informers=yes"
GONE = 410


class Informer:
    """Follows ConfigMaps with a label, as a controller's cache does."""

    def __init__(self, core, **options):
        self.core, self.options = core, {"label_selector": LABEL, "allow_watch_bookmarks": True, **options}
        self.lock = threading.Lock()
        self.revision = None
        self.state, self.newest, self.wrong = {}, {}, []
        self.lists = self.changes = self.failures = self.watches = 0

    def run(self):
        while True:
            try:
                if self.revision is None:
                    self.list()
                self.follow()
            except ApiException as refused:
                # History is gone: from the beginning. Anything else is worth another try from where it was.
                if refused.status == GONE:
                    self.revision = None
                self.again()
            except (HTTPError, OSError, ValueError):
                # The connection broke: what was heard was heard.
                self.again()

    def again(self):
        self.failures += 1
        time.sleep(0.05)

    def list(self):
        found = self.core.list_namespaced_config_map(NAMESPACE, label_selector=LABEL)
        with self.lock:
            self.lists += 1
            self.state = {item.metadata.name: item.data["n"] for item in found.items}
            self.newest = {item.metadata.name: int(item.metadata.resource_version) for item in found.items}
        self.revision = found.metadata.resource_version

    def follow(self):
        self.watches += 1
        for event in watch.Watch().stream(
            self.core.list_namespaced_config_map, NAMESPACE, resource_version=self.revision, **self.options
        ):
            if event["type"] != "BOOKMARK":
                self.hear(event["type"], event["object"])
            self.revision = event["raw_object"]["metadata"]["resourceVersion"]

    def hear(self, kind, found):
        name, revision = found.metadata.name, int(found.metadata.resource_version)
        with self.lock:
            self.changes += 1
            before = self.newest.get(name, 0)
            if revision <= before:
                self.wrong.append(f"{kind} {name}: {revision} after {before}")
            self.newest[name] = revision
            there = name in self.state
            if there != (kind != "ADDED"):
                self.wrong.append(f"{kind} {name}, which was {'there' if there else 'not there'}")
            if kind == "DELETED":
                self.state.pop(name, None)
            else:
                self.state[name] = found.data["n"]

    def report(self):
        with self.lock:
            return {"state": self.state, "wrong": self.wrong, "lists": self.lists, "changes": self.changes,
                    "failures": self.failures, "watches": self.watches}


def main():
    config.load_kube_config()
    # One whose watches are short, and begin anew all the time; one that leaves that to the client's own loop.
    informers = [
        Informer(client.CoreV1Api(client.ApiClient()), timeout_seconds=1),
        Informer(client.CoreV1Api(client.ApiClient())),
    ]
    for informer in informers:
        threading.Thread(target=informer.run, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps([informer.report() for informer in informers]), flush=True)


if __name__ == "__main__":
    main()
