//! A long session with kubectl: what each command prints is what Kubernetes has it print.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, root, with_cluster};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
};

/// Runs kubectl; what it prints must contain `expected`.
fn says(cluster: &Cluster, line: &str, expected: &str) -> Result<String> {
    let said = cluster.kubectl(&line.split(' ').collect::<Vec<_>>())?;
    ensure!(said.contains(expected), "kubectl {line}: {said:?} without {expected:?}");
    Ok(said)
}

/// The minor version of kubectl.
fn minor(cluster: &Cluster) -> Result<u32> {
    let version: serde_json::Value = serde_json::from_str(&cluster.kubectl(&["version", "--client", "-o", "json"])?)?;
    let digits = version["clientVersion"]["minor"].as_str().map(|text| text.trim_end_matches('+'));
    digits.and_then(|text| text.parse().ok()).with_context(|| version.to_string())
}

/// [`says`] where kubectl is of that minor version or newer: what older ones do not know.
fn since(cluster: &Cluster, wanted: u32, line: &str, expected: &str) -> Result<()> {
    if minor(cluster)? >= wanted {
        says(cluster, line, expected)?;
    }
    Ok(())
}

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: demo, image: "podium/demo:1", ports: [{containerPort: 80}], env: [{name: COLOUR, value: red}]}
"#;

fn discovery(c: &Cluster) -> Result<()> {
    says(c, "explain deployment.spec.strategy", "rollingUpdate")?;
    says(c, "explain pods.spec.containers.image", "<string>")?;
    says(c, "explain csr.spec", "expirationSeconds")?;
    says(c, "explain cronjob.spec --recursive", "concurrencyPolicy")?;
    let apps = says(c, "api-resources --api-group=apps --no-headers -o name --sort-by=name", "")?;
    let names: Vec<&str> = apps.split_whitespace().collect();
    let kinds = ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"];
    ensure!(names == kinds.map(|k| format!("{k}.apps")), "{names:?}");
    says(c, "api-resources --namespaced=false", "certificatesigningrequests")?;
    says(c, "api-versions", "certificates.k8s.io/v1\n")?;
    says(c, "cluster-info", "Kubernetes control plane")?;
    says(c, "version", "v1.36")?;
    Ok(())
}

fn objects(c: &Cluster) -> Result<()> {
    says(c, "create configmap c --from-literal=k=first", "configmap/c created")?;
    c.refuses("create configmap c --from-literal=k=first", "configmaps \"c\" already exists")?;
    says(c, "create secret generic s --from-literal=p=q", "secret/s created")?;
    says(c, "create serviceaccount robot", "serviceaccount/robot created")?;
    says(c, "create quota q --hard=pods=50", "resourcequota/q created")?;
    says(c, "create role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r created")?;
    says(c, "create rolebinding r --role=r --serviceaccount=default:robot", "rolebinding.rbac.authorization.k8s.io/r")?;
    says(c, "create job j --image=podium/demo:1 -- true", "job.batch/j created")?;
    c.refuses("create cronjob cj --image=podium/demo:1 --schedule=often -- true", "spec.schedule")?;
    says(c, "create ingress i --rule=a.example/*=web:80", "ingress.networking.k8s.io/i created")?;
    since(c, 21, "create pdb p --selector=app=web --min-available=1", "poddisruptionbudget.policy/p created")?;
    says(c, "create priorityclass pc --value=10", "priorityclass.scheduling.k8s.io/pc created")?;
    since(c, 24, "create token robot", "ey")?;
    says(c, "label configmap c tier=one", "configmap/c labeled")?;
    c.refuses("label configmap c tier=two", "already has a value (one)")?;
    says(c, "label configmap c tier=two --overwrite", "configmap/c labeled")?;
    says(c, "get configmaps -l tier=two -o name", "configmap/c\n")?;
    says(c, "label configmap c tier-", "labeled")?;
    says(c, "annotate configmap c note=x", "configmap/c annotated")?;
    says(c, r#"patch configmap c --type=merge -p {"data":{"l":"w"}}"#, "configmap/c patched")?;
    says(c, r#"patch configmap c --type=merge -p {"data":{"l":"w"}}"#, "configmap/c patched (no change)")?;
    let ops = r#"[{"op":"test","path":"/data/l","value":"w"},{"op":"remove","path":"/data/l"}]"#;
    says(c, &format!("patch configmap c --type=json -p {ops}"), "configmap/c patched")?;
    c.refuses(&format!("patch configmap c --type=json -p {ops}"), "The request is invalid")?;
    let mut edit = c.kubectl_command(&["edit", "configmap", "c"]);
    let done = edit.env("KUBE_EDITOR", "sed -i s/first/second/").output()?;
    ensure!(String::from_utf8_lossy(&done.stdout).contains("configmap/c edited"), "{done:?}");
    says(c, "get configmap c -o jsonpath={.data.k}", "second")?;
    let mut same = c.kubectl_command(&["edit", "configmap", "c"]);
    let done = same.env("KUBE_EDITOR", "true").output()?;
    ensure!(String::from_utf8_lossy(&done.stderr).contains("Edit cancelled, no changes made"), "{done:?}");
    let file = c.data.join("replace.yaml");
    std::fs::write(&file, c.kubectl(&["get", "configmap", "c", "-o", "yaml"])?.replace("second", "third"))?;
    says(c, &format!("replace -f {}", file.display()), "configmap/c replaced")?;
    c.refuses(&format!("replace -f {}", file.display()), "the object has been modified")?;
    says(c, "describe configmap c", "third")?;
    says(c, "describe quota q", "pods")?;
    says(c, "delete configmap c --dry-run=server", "configmap \"c\" deleted")?;
    says(c, "get configmap c --no-headers", "c ")?;
    says(c, "delete configmap c", "configmap \"c\" deleted")?;
    c.refuses("get configmap c", "Error from server (NotFound): configmaps \"c\" not found")
}

fn applied(c: &Cluster) -> Result<()> {
    let file = c.data.join("web.yaml");
    let f = file.display().to_string();
    std::fs::write(&file, WEB)?;
    c.refuses(&format!("diff -f {f}"), "+kind: Deployment")?;
    says(c, &format!("apply -f {f} --dry-run=server"), "deployment.apps/web created (server dry run)")?;
    says(c, &format!("apply -f {f}"), "deployment.apps/web created")?;
    says(c, &format!("apply -f {f}"), "deployment.apps/web unchanged")?;
    says(c, &format!("diff -f {f}"), "")?;
    std::fs::write(&file, WEB.replace("red", "blue"))?;
    c.refuses(&format!("diff -f {f}"), "blue")?;
    says(c, &format!("apply -f {f}"), "deployment.apps/web configured")?;
    says(c, &format!("apply --server-side --force-conflicts -f {f}"), "deployment.apps/web serverside-applied")?;
    std::fs::write(&file, WEB.replace("replicas: 1", "replicas: two"))?;
    c.refuses(&format!("apply -f {f}"), "replicas")?;
    std::fs::write(&file, WEB.replace("replicas: 1", "replica: 1"))?;
    c.refuses(&format!("apply -f {f}"), "replica")?;
    Ok(())
}

async fn rollouts(c: &Cluster) -> Result<()> {
    says(c, "rollout status deployment/web --timeout=60s", "deployment \"web\" successfully rolled out")?;
    says(c, "scale deployment web --replicas=2", "deployment.apps/web scaled")?;
    c.refuses("scale deployment web --replicas=3 --current-replicas=9", "Expected replicas to be 9, was 2")?;
    says(c, "wait deployment/web --for=condition=Available --timeout=60s", "deployment.apps/web condition met")?;
    says(c, "set env deployment/web COLOUR=green", "deployment.apps/web env updated")?;
    says(c, "rollout status deployment/web --timeout=60s", "successfully rolled out")?;
    says(c, "set resources deployment/web --limits=memory=64Mi", "deployment.apps/web resource requirements updated")?;
    says(c, "rollout status deployment/web --timeout=60s", "successfully rolled out")?;
    let history = says(c, "rollout history deployment/web", "REVISION  CHANGE-CAUSE")?;
    ensure!(history.lines().filter(|l| l.contains("<none>")).count() >= 3, "{history}");
    says(c, "rollout undo deployment/web", "deployment.apps/web rolled back")?;
    says(c, "rollout status deployment/web --timeout=60s", "successfully rolled out")?;
    let limits = "get deployment web -o jsonpath={.spec.template.spec.containers[0].resources.limits}";
    ensure!(says(c, limits, "")?.trim_matches(['{', '}']).is_empty());
    says(c, "rollout pause deployment/web", "deployment.apps/web paused")?;
    c.refuses("rollout pause deployment/web", "is already paused")?;
    says(c, "set image deployment/web demo=podium/demo:2", "deployment.apps/web image updated")?;
    c.refuses("rollout undo deployment/web", "cannot rollback a paused deployment")?;
    says(c, "set image deployment/web demo=podium/demo:1", "deployment.apps/web image updated")?;
    says(c, "rollout resume deployment/web", "deployment.apps/web resumed")?;
    says(c, "rollout restart deployment/web", "deployment.apps/web restarted")?;
    says(c, "rollout status deployment/web --timeout=60s", "successfully rolled out")?;
    says(c, "autoscale deployment web --min=1 --max=3", "horizontalpodautoscaler.autoscaling/web autoscaled")?;
    says(c, "delete hpa web", "horizontalpodautoscaler.autoscaling \"web\" deleted")?;
    says(c, "expose deployment web --port=80", "service/web exposed")?;
    says(c, "get service web --no-headers", "ClusterIP")?;
    says(c, "get endpoints web", "")?;
    says(c, "describe deployment web", "NewReplicaSet:")?;
    eventually("the pods of old revisions are gone", || async {
        Ok((c.kubectl(&["get", "pods", "-l", "app=web", "-o", "name"])?.lines().count() == 2).then_some(()))
    })
    .await
}

/// A kubectl that runs on; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What kubectl carries, and what it counts.
async fn traffic(c: &Cluster) -> Result<()> {
    let mut forward = c.kubectl_command(&["port-forward", "service/web", ":80"]);
    let mut forward = Running(forward.stdout(Stdio::piped()).spawn()?);
    let mut said = String::new();
    // It goes on to speak, and ends where nobody listens.
    let mut output = BufReader::new(forward.0.stdout.take().context("no output")?);
    output.read_line(&mut said)?;
    let port = said.split([':', ' ']).find_map(|word| word.parse::<u16>().ok()).context(said)?;
    ensure!(c.get(&format!("http://127.0.0.1:{port}/"))?.contains("hello from"), "nothing came through");
    drop((forward, output));
    says(c, "logs deployment/web --tail=1 --timestamps=false", "")?;
    c.refuses("logs deployment/web -c absent", "container absent is not valid for pod")?;
    // Usage is known once the agent has looked twice.
    for line in ["top pods --no-headers", "top nodes --no-headers"] {
        let words: Vec<&str> = line.split(' ').collect();
        let usage = eventually("usage is known", || async { Ok(c.kubectl(&words).ok()) }).await?;
        ensure!(usage.contains("Mi"), "kubectl {line}: {usage}");
    }
    // Older ones know another form of it.
    if minor(c)? >= 23 {
        let debug = "debug pod/$POD -it=false --image=podium/demo:1 --container=look -- true";
        let pod = c.kubectl(&["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}"])?;
        says(c, &debug.replace("$POD", &pod), "")?;
        let path = "jsonpath={.spec.ephemeralContainers[0].name}";
        ensure!(c.kubectl(&["get", "pod", &pod, "-o", path])? == "look");
    }
    let raw = "get --raw /apis/apps/v1/namespaces/default/deployments/web/scale";
    says(c, raw, r#""kind":"Scale""#).map(drop)
}

/// The words of refusals, as people and tools search for them.
fn refused_words(c: &Cluster) -> Result<()> {
    let file = c.data.join("bad.yaml");
    let create = format!("create -f {}", file.display());
    for (manifest, words) in [
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: bad}, spec: {containers: [{name: a}]}}",
            r#"The Pod "bad" is invalid: spec.containers[0].image: Required value"#,
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {clusterIP: 1.2.3.4, ports: [{port: 80}]}}",
            "provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is",
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {type: NodePort, ports: [{port: 80, nodePort: 80}]}}",
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range.",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: Bad}}",
            r#"The ConfigMap "Bad" is invalid: metadata.name: Invalid value: "Bad": a lowercase RFC 1123 subdomain"#,
        ),
    ] {
        // What begins with a brace kubectl takes for JSON.
        std::fs::write(&file, format!("# bad\n{manifest}\n"))?;
        c.refuses(&create, words)?;
    }
    c.refuses(
        r#"patch deployment web --type=merge -p {"spec":{"selector":{"matchLabels":{"app":"other"}}}}"#,
        "field is immutable",
    )?;
    c.refuses("get pods --field-selector=spec.colour=red", "field label not supported: spec.colour")
}

fn pods(c: &Cluster) -> Result<()> {
    says(c, "run one --image=podium/demo:1 --labels=run=one --restart=Never -- sleep 600", "pod/one created")?;
    says(c, "wait pod/one --for=condition=Ready --timeout=60s", "pod/one condition met")?;
    since(c, 23, "wait pod/one --for=jsonpath={.status.phase}=Running --timeout=10s", "pod/one condition met")?;
    says(c, "exec one -- hostname", "one")?;
    c.refuses("exec one -- false", "command terminated with exit code 1")?;
    let file = c.data.join("copied.txt");
    std::fs::write(&file, "carried")?;
    c.kubectl(&["cp", &file.to_string_lossy(), "one:/tmp/there.txt"])?;
    says(c, "exec one -- cat /tmp/there.txt", "carried")?;
    let back = c.data.join("back.txt");
    c.kubectl(&["cp", "one:/tmp/there.txt", &back.to_string_lossy()])?;
    ensure!(std::fs::read_to_string(&back)? == "carried");
    says(c, "get pod one -o wide", "node-a")?;
    says(c, "get pods --field-selector=status.phase=Running -o name", "pod/one")?;
    says(c, "get pod one -o custom-columns=N:.metadata.name --no-headers", "one\n")?;
    says(c, "describe pod one", "Scheduled")?;
    since(c, 23, "events --for=pod/one", "Scheduled")?;
    says(c, "get events --field-selector=involvedObject.name=one", "Scheduled")?;
    says(c, "wait job/j --for=condition=Complete --timeout=60s", "job.batch/j condition met")?;
    says(c, "delete pod one --now", "pod \"one\"")?;
    // The one has ended before kubectl attaches to it, the other while it does.
    says(c, "run two --rm -i --restart=Never --image=podium/demo:1 --pod-running-timeout=60s -- echo hello", "hello")?;
    says(c, "run three --rm -i --restart=Never --image=podium/demo:1 -- sleep 2", "pod \"three\" deleted")?;
    Ok(())
}

fn rights_and_nodes(c: &Cluster) -> Result<()> {
    says(c, "get apiservices v1.apps --no-headers", "Local")?;
    says(c, "get apiservices v1. v2.autoscaling v1.authorization.k8s.io --no-headers", "True")?;
    says(c, "auth can-i create deployments", "yes")?;
    c.refuses("auth can-i create deployments --as=jane", "no")?;
    says(c, "auth can-i get pods --as=system:serviceaccount:default:robot", "yes")?;
    c.refuses(
        "get secrets --as=jane",
        "Error from server (Forbidden): secrets is forbidden: User \"jane\" cannot list",
    )?;
    says(c, "auth can-i --list --as=system:serviceaccount:default:robot", "pods")?;
    since(c, 26, "auth whoami", "kubernetes-admin")?;
    says(c, "cordon node-a", "node/node-a cordoned")?;
    says(c, "cordon node-a", "node/node-a already cordoned")?;
    says(c, "get node node-a --no-headers", "SchedulingDisabled")?;
    says(c, "uncordon node-a", "node/node-a uncordoned")?;
    says(c, "taint node node-a k=v:NoSchedule", "node/node-a tainted")?;
    says(c, "taint node node-a k-", "node/node-a untainted")?;
    says(c, "describe node node-a", "Allocatable:")?;
    since(c, 21, "delete pdb p", "poddisruptionbudget.policy \"p\" deleted")?;
    says(c, "drain node-a --ignore-daemonsets --force --delete-emptydir-data --timeout=60s", "node/node-a ")?;
    says(c, "uncordon node-a", "node/node-a uncordoned")?;
    says(c, "delete deployment,service web", "deployment.apps \"web\" deleted")?;
    says(c, "delete namespace absent --ignore-not-found", "")?;
    says(c, "create namespace n", "namespace/n created")?;
    says(c, "delete namespace n --timeout=60s", "namespace \"n\" deleted").map(drop)
}

/// All of it, with one kubectl.
fn session(kubectl: Option<PathBuf>) {
    with_cluster(|mut cluster| async move {
        if let Some(kubectl) = kubectl {
            cluster.kubectl = kubectl;
        }
        cluster.load_images()?;
        discovery(&cluster)?;
        objects(&cluster)?;
        applied(&cluster)?;
        rollouts(&cluster).await?;
        traffic(&cluster).await?;
        refused_words(&cluster)?;
        pods(&cluster)?;
        rights_and_nodes(&cluster)
    });
}

#[test]
fn a_long_session_with_kubectl() {
    session(None);
}

/// Debian 12 ships one of 2020, which knows protobuf, SPDY and OpenAPI v2 alone.
#[test]
fn a_long_session_with_debians_kubectl() {
    let kubectl = root().join("target/kubectl-debian/kubectl");
    if kubectl.exists() {
        session(Some(kubectl));
    } else {
        println!("skipped: Debian's kubectl is the one on PATH, or was not fetched (./dev test does it)");
    }
}
