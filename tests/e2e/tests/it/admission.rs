//! Admission seen with kubectl: quotas, limits, priorities and labelled namespaces, in Kubernetes' words.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};

/// Runs kubectl; what it prints, on both streams, must contain `expected`.
fn says(cluster: &Cluster, line: &str, expected: &str) -> Result<String> {
    let done = cluster.kubectl_command(&line.split(' ').collect::<Vec<_>>()).output()?;
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    ensure!(done.status.success() && said.contains(expected), "kubectl {line}: {said:?} without {expected:?}");
    Ok(said)
}

/// Waits until kubectl prints exactly that.
async fn becomes(cluster: &Cluster, line: &str, expected: &str) -> Result<()> {
    eventually(&format!("{line}: {expected}"), || async {
        Ok((cluster.kubectl(&line.split(' ').collect::<Vec<_>>())? == expected).then_some(()))
    })
    .await
}

async fn quotas(c: &Cluster) -> Result<()> {
    says(c, "create namespace team", "namespace/team created")?;
    says(c, "create quota q -n team --hard=pods=3,count/configmaps=2,services.nodeports=0", "resourcequota/q created")?;
    // Every namespace has the ConfigMap with the cluster's certificate.
    becomes(
        c,
        "get quota q -n team -o jsonpath={.status.used}",
        r#"{"count/configmaps":"1","pods":"0","services.nodeports":"0"}"#,
    )
    .await?;
    says(c, "create configmap a -n team", "configmap/a created")?;
    c.refuses("create configmap b -n team",
        "configmaps \"b\" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2",
    )?;
    c.refuses("create service nodeport open -n team --tcp=80",
        "services \"open\" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0",
    )?;
    says(c, "delete configmap a -n team", "deleted")?;
    becomes(c, "get quota q -n team -o jsonpath={.status.used.count/configmaps}", "1").await?;
    says(c, "create configmap b -n team", "configmap/b created")?;

    // A workload that wants more than there is gets what there is, and says why not more.
    says(c, "create deployment many -n team --image=podium/demo:1 --replicas=8", "deployment.apps/many created")?;
    becomes(c, "get quota q -n team -o jsonpath={.status.used.pods}", "3").await?;
    eventually("the events say why", || async {
        let events = c.kubectl(&["get", "events", "-n", "team", "-o", "jsonpath={.items[*].message}"])?;
        Ok(events.contains("exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3").then_some(()))
    })
    .await?;
    becomes(c, "get deployment many -n team -o jsonpath={.status.replicas}/{.spec.replicas}", "3/8").await?;
    let pods = c.kubectl(&["get", "pods", "-n", "team", "-o", "name"])?;
    ensure!(pods.lines().count() == 3, "{pods}");
    c.refuses(
        "run one -n team --image=podium/demo:1",
        "pods \"one\" is forbidden: exceeded quota: q, requested: pods=1",
    )?;
    says(c, "scale deployment many -n team --replicas=1", "scaled")?;
    becomes(c, "get quota q -n team -o jsonpath={.status.used.pods}", "1").await?;
    says(c, "run one -n team --image=podium/demo:1", "pod/one created").map(drop)
}

const LIMITS: &str = r"
apiVersion: v1
kind: LimitRange
metadata: {name: l, namespace: small}
spec:
  limits:
  - {type: Container, max: {cpu: '1'}, default: {cpu: 200m, memory: 64Mi}, defaultRequest: {cpu: 100m}}
";

const LARGE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: large, namespace: small}
spec:
  containers: [{name: c, image: "podium/demo:1", resources: {limits: {cpu: "2"}}}]
"#;

fn limits(c: &Cluster) -> Result<()> {
    says(c, "create namespace small", "created")?;
    c.apply(LIMITS)?;
    let error = c.apply(LARGE).expect_err("it is too large").to_string();
    ensure!(
        error.contains("pods \"large\" is forbidden: maximum cpu usage per Container is 1, but limit is 2"),
        "{error}"
    );
    says(c, "run fits -n small --image=podium/demo:1", "pod/fits created")?;
    let limits = "get pod fits -n small -o jsonpath={.spec.containers[0].resources}";
    says(c, limits, r#"{"limits":{"cpu":"200m","memory":"64Mi"},"requests":{"cpu":"100m","memory":"64Mi"}}"#)?;
    says(c, "describe limits l -n small", "Container")?;
    let note = r"get pod fits -n small -o jsonpath={.metadata.annotations.kubernetes\.io/limit-ranger}";
    says(
        c,
        note,
        "LimitRanger plugin set: cpu, memory request for container fits; cpu, memory limit for container fits",
    )
    .map(drop)
}

const URGENT: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: urgent}
spec:
  priorityClassName: high
  containers: [{name: c, image: "podium/demo:1"}]
"#;

fn priorities(c: &Cluster) -> Result<()> {
    says(c, "get priorityclass", "system-node-critical      2000001000")?;
    let error = c.apply(URGENT).expect_err("there is no such class").to_string();
    ensure!(error.contains("pods \"urgent\" is forbidden: no PriorityClass with name high was found"), "{error}");
    says(
        c,
        "create priorityclass high --value=1000 --preemption-policy=Never",
        "priorityclass.scheduling.k8s.io/high created",
    )?;
    c.apply(URGENT)?;
    says(c, "get pod urgent -o jsonpath={.spec.priority},{.spec.preemptionPolicy}", "1000,Never")?;
    says(c, "create priorityclass usual --value=10 --global-default=true", "created")?;
    c.refuses(
        "create priorityclass other --value=20 --global-default=true",
        "PriorityClass usual is already marked as default. Only one default can exist",
    )?;
    says(c, "run plain --image=podium/demo:1", "created")?;
    says(c, "get pod plain -o jsonpath={.spec.priorityClassName},{.spec.priority}", "usual,10").map(drop)
}

fn security(c: &Cluster) -> Result<()> {
    const PLAIN: &str = "allowPrivilegeEscalation != false (container \"one\" must set \
        securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"one\" must set \
        securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"one\" must set \
        securityContext.runAsNonRoot=true), seccompProfile (pod or container \"one\" must set \
        securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
    says(c, "create namespace safe", "created")?;
    c.refuses(
        "label namespace safe pod-security.kubernetes.io/enforce=strict",
        "must be one of privileged, baseline, restricted",
    )?;
    says(c, "label namespace safe pod-security.kubernetes.io/warn=restricted", "namespace/safe labeled")?;
    let warned = format!("Warning: would violate PodSecurity \"restricted:latest\": {PLAIN}");
    says(c, "run one -n safe --image=podium/demo:1", &warned)?;
    let standing =
        "Warning: existing pods in namespace \"safe\" violate the new PodSecurity enforce level \"restricted:latest\"";
    says(c, "label namespace safe pod-security.kubernetes.io/enforce=restricted", standing)?;
    says(c, "delete pod one -n safe --now", "deleted")?;
    let refused = format!("pods \"one\" is forbidden: violates PodSecurity \"restricted:latest\": {PLAIN}");
    c.refuses("run one -n safe --image=podium/demo:1", &refused)?;
    says(c, "create deployment one -n safe --image=podium/demo:1", "Warning: would violate PodSecurity").map(drop)
}

#[test]
fn kubectl_meets_kubernetes_admission() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        quotas(&cluster).await?;
        limits(&cluster)?;
        priorities(&cluster)?;
        security(&cluster)
    });
}
