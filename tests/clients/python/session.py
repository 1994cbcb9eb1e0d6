"""What a script with the Python client does, against the cluster of KUBECONFIG. Prints "done" at the end."""

import base64
import threading

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

NAMESPACE = "python"
PATIENCE = 60


def expect(code, call, *args, **kwargs):
    """The call must be refused with that code; gives the reason."""
    try:
        call(*args, **kwargs)
    except ApiException as refused:
        assert refused.status == code, f"{refused.status} instead of {code}: {refused.body}"
        return refused.body
    raise AssertionError(f"not refused with {code}")


def discovery():
    version = client.VersionApi().get_code()
    assert version.git_version.startswith("v1.36"), version
    groups = {group.name for group in client.ApisApi().get_api_versions().groups}
    assert {"apps", "discovery.k8s.io", "coordination.k8s.io"} <= groups, groups


def objects(core):
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    made = core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    expect(409, core.create_namespaced_config_map, NAMESPACE, {"metadata": {"name": "a"}})
    expect(404, core.read_namespaced_config_map, "absent", NAMESPACE)
    expect(422, core.create_namespaced_config_map, NAMESPACE, {"metadata": {"name": "Bad Name"}})
    patched = core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"k": "w", "l": "x"}})
    assert patched.data == {"k": "w", "l": "x"}, patched.data
    made.data = {"k": "stale"}
    expect(409, core.replace_namespaced_config_map, "a", NAMESPACE, made)
    patched.data = {"only": "this"}
    replaced = core.replace_namespaced_config_map("a", NAMESPACE, patched)
    assert replaced.data == {"only": "this"}
    core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": "s"}, "stringData": {"p": "q"}})
    assert base64.b64decode(core.read_namespaced_secret("s", NAMESPACE).data["p"]) == b"q"


def pages(core):
    for number in range(25):
        core.create_namespaced_config_map(
            NAMESPACE, {"metadata": {"name": f"page-{number:02}", "labels": {"set": "pages"}}}
        )
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(NAMESPACE, label_selector="set=pages", limit=10, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"page-{number:02}" for number in range(25)], names


def watching(core):
    """A watch from a list's revision sees every later change once and in order, over reconnects."""
    begin = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    seen, wanted = [], 60

    def follow():
        revision = begin
        while len(seen) < wanted:
            # Short on purpose: each round is a new connection from the last revision.
            for event in watch.Watch().stream(
                core.list_namespaced_config_map, NAMESPACE, resource_version=revision, timeout_seconds=1
            ):
                revision = event["object"].metadata.resource_version
                seen.append((event["type"], event["object"].metadata.name))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    expected = []
    for number in range(20):
        name = f"watched-{number}"
        core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": name}})
        core.patch_namespaced_config_map(name, NAMESPACE, {"data": {"n": str(number)}})
        core.delete_namespaced_config_map(name, NAMESPACE)
        expected += [("ADDED", name), ("MODIFIED", name), ("DELETED", name)]
    follower.join(PATIENCE)
    assert seen == expected, (len(seen), [pair for pair in zip(seen, expected) if pair[0] != pair[1]][:3])


def workload(core, apps):
    labels = {"app": "web"}
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}
    container = {"name": "web", "image": "podium/demo:1", "readinessProbe": probe}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    apps.create_namespaced_deployment(NAMESPACE, {"metadata": {"name": "web"}, "spec": spec})
    for event in watch.Watch().stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=PATIENCE):
        if event["object"].status.ready_replicas == 2:
            break
    else:
        raise AssertionError("the Deployment never was ready")
    scale = apps.read_namespaced_deployment_scale("web", NAMESPACE)
    assert scale.status.replicas == 2 and scale.status.selector == "app=web", scale.status
    apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 1}})
    for event in watch.Watch().stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=PATIENCE):
        if event["object"].status.replicas == 1:
            break
    pods = core.list_namespaced_pod(NAMESPACE, label_selector="app=web", field_selector="status.phase=Running").items
    return next(pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is None)


def streams(core, pod):
    said = stream(
        core.connect_get_namespaced_pod_exec, pod, NAMESPACE,
        command=["sh", "-c", "echo out; echo err >&2; exit 3"],
        stdin=False, stdout=True, stderr=True, tty=False, _preload_content=False,
    )
    said.run_forever(timeout=PATIENCE)
    assert (said.read_stdout(), said.read_stderr(), said.returncode) == ("out\n", "err\n", 3)
    forward = portforward(core.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports="80")
    socket = forward.socket(80)
    socket.setblocking(True)
    socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while chunk := socket.recv(4096):
        answer += chunk
    assert b"hello from" in answer, answer
    core.read_namespaced_pod_log(pod, NAMESPACE)


def main():
    config.load_kube_config()
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    discovery()
    objects(core)
    pages(core)
    watching(core)
    streams(core, workload(core, apps))
    core.delete_namespace(NAMESPACE)
    for event in watch.Watch().stream(core.list_namespace, timeout_seconds=PATIENCE):
        if event["type"] == "DELETED" and event["object"].metadata.name == NAMESPACE:
            break
    expect(404, core.read_namespace, NAMESPACE)
    print("done")


if __name__ == "__main__":
    main()
