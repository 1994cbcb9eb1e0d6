//! Workload kinds with real containers: order, partitions, indexes and limits, and what is told
//! of those who look after them.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, shared, with_cluster};

/// Applies a manifest of the introduction to Kubernetes, unchanged.
fn apply(cluster: &Cluster, manifest: &str) -> Result<()> {
    let file = shared(&format!("manifests/{manifest}")).context("the manifests were there a moment ago")?;
    cluster.kubectl(&["apply", "-f", &file.to_string_lossy()]).map(drop)
}

#[test]
fn the_manifests_of_controllers_run_unchanged() {
    if shared("manifests").is_none() {
        return;
    }
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        for manifest in ["05-service-loadbalancer", "09-daemonset", "11-job", "12-cronjob-v1beta1"] {
            apply(&cluster, &format!("{manifest}.yaml"))?;
        }
        // No node is of that type yet.
        cluster.reads("ds/ds-example", "{.status.desiredNumberScheduled}", "0").await?;
        kubectl(&["label", "node", "node-a", "nodeType=edge"])?;
        kubectl(&["rollout", "status", "ds/ds-example", "--timeout=60s"])?;
        kubectl(&["set", "image", "ds/ds-example", "nginx=nginx:latest"])?;
        kubectl(&["rollout", "status", "ds/ds-example", "--timeout=60s"])?;
        ensure!(kubectl(&["rollout", "history", "ds/ds-example"])?.contains('2'));
        kubectl(&["rollout", "undo", "ds/ds-example"])?;
        cluster.reads("ds/ds-example", "{.spec.template.spec.containers[0].image}", "nginx:stable-alpine").await?;
        kubectl(&["rollout", "status", "ds/ds-example", "--timeout=60s"])?;
        kubectl(&["label", "node", "node-a", "nodeType-"])?;
        cluster.reads("ds/ds-example", "{.status.currentNumberScheduled}", "0").await?;

        kubectl(&["wait", "job/job-example", "--for=condition=Complete", "--timeout=60s"])?;
        cluster.reads("job/job-example", "{.status.succeeded}", "4").await?;
        let said = kubectl(&["logs", "-l", "job-name=job-example"])?;
        ensure!(said.lines().filter(|line| line.starts_with("hello from job-example-")).count() == 4, "{said}");

        kubectl(&["create", "job", "by-hand", "--from=cronjob/cronjob-example"])?;
        kubectl(&["wait", "job/by-hand", "--for=condition=Complete", "--timeout=60s"])?;
        Ok(())
    });
}

const STATEFUL: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: db
        image: podium/demo:1
        readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
"#;

#[test]
fn a_stateful_set_comes_in_order_and_is_updated_from_its_partition_on() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        cluster.apply(STATEFUL)?;
        kubectl(&["rollout", "status", "sts/db", "--timeout=60s"])?;
        let ready = r#"{.status.conditions[?(@.type=="Ready")].lastTransitionTime}"#;
        let pairs = [("db-0", "db-1"), ("db-1", "db-2")];
        for (first, second) in pairs {
            let first = kubectl(&["get", "pod", first, "-o", &format!("jsonpath={ready}")])?;
            let second = kubectl(&["get", "pod", second, "-o", "jsonpath={.metadata.creationTimestamp}"])?;
            ensure!(first <= second, "ready at {first}, the next made at {second}");
        }
        ensure!(kubectl(&["exec", "db-1", "--", "hostname"])?.trim() == "db-1");
        let peer = "wget -q -O /dev/null http://db-0.db.default.svc.cluster.local/ && echo reached";
        eventually("pods find each other by name", || async {
            Ok(kubectl(&["exec", "db-2", "--", "sh", "-c", peer])?.contains("reached").then_some(()))
        })
        .await?;

        // Only from the partition on.
        let revisions = || -> Result<Vec<String>> {
            let path = r#"jsonpath={range .items[*]}{.metadata.labels.controller-revision-hash}{"\n"}{end}"#;
            Ok(kubectl(&["get", "pods", "-l", "app=db", "-o", path])?.lines().map(str::to_owned).collect())
        };
        let old = revisions()?;
        let partition =
            |number: u32| format!(r#"{{"spec":{{"updateStrategy":{{"rollingUpdate":{{"partition":{number}}}}}}}}}"#);
        kubectl(&["patch", "sts", "db", "-p", &partition(2)])?;
        kubectl(&["set", "env", "sts/db", "V=2"])?;
        kubectl(&["rollout", "status", "sts/db", "--timeout=60s"])?;
        let part = revisions()?;
        ensure!(part[..2] == old[..2] && part[2] != old[2], "{old:?} -> {part:?}");
        kubectl(&["patch", "sts", "db", "-p", &partition(0)])?;
        kubectl(&["rollout", "status", "sts/db", "--timeout=60s"])?;
        let new = revisions()?;
        ensure!(new == vec![part[2].clone(); 3], "{new:?}");
        // The last one goes first.
        kubectl(&["scale", "sts/db", "--replicas=1"])?;
        eventually("one is left", || async {
            let left = kubectl(&["get", "pods", "-l", "app=db", "-o", "name"])?;
            Ok((left.trim() == "pod/db-0").then_some(()))
        })
        .await
    });
}

#[test]
fn claims_of_the_manifests_are_bound_or_say_what_they_wait_for() {
    if shared("manifests").is_none() {
        return;
    }
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        for manifest in ["16-storageclass", "14-persistentvolume", "15-persistentvolumeclaim", "10-statefulset"] {
            apply(&cluster, &format!("{manifest}.yaml"))?;
        }
        cluster.reads("pvc/pvc-sc-example", "{.status.phase}/{.spec.volumeName}", "Bound/nfsserver").await?;
        // Nobody makes volumes of that class here: it waits, and says for what.
        eventually("the claim says what it waits for", || async {
            Ok(kubectl(&["describe", "pvc", "www-sts-example-0"])?.contains("ExternalProvisioning").then_some(()))
        })
        .await
    });
}

const JOBS: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  backoffLimitPerIndex: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: c, image: "podium/demo:1", command: [sh, -c, "test $JOB_COMPLETION_INDEX != 1"]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: doomed}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: c, image: "podium/demo:1", command: [sh, -c, "exit 3"]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "@every 2s"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      ttlSecondsAfterFinished: 600
      template:
        spec:
          restartPolicy: Never
          containers:
          - {name: c, image: "podium/demo:1", command: [sh, -c, "echo tick"]}
"#;

const REFUSED: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: refused}
spec:
  replicas: 3
  selector: {matchLabels: {app: refused}}
  template:
    metadata: {labels: {app: refused}}
    spec:
      serviceAccountName: absent
      containers: [{name: c, image: "podium/demo:1"}]
"#;

#[test]
fn jobs_keep_their_limits_and_refusals_are_seen() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        cluster.apply(JOBS)?;
        cluster.apply(REFUSED)?;

        // Pods that the server will not make: the whole way up, and in its words.
        let failure = r#"{.status.conditions[?(@.type=="ReplicaFailure")].reason}"#;
        cluster.reads("deployment/refused", failure, "FailedCreate").await?;
        let words = eventually("the event is there", || async {
            let text = kubectl(&["describe", "rs", "-l", "app=refused"])?;
            Ok(text.contains("FailedCreate").then_some(text))
        })
        .await?;
        ensure!(words.contains("serviceaccount \"absent\" not found"), "{words}");

        cluster.reads("job/indexed", "{.status.completedIndexes}/{.status.failedIndexes}", "0,2/1").await?;
        cluster.reads("job/indexed", r#"{.status.conditions[?(@.type=="Failed")].reason}"#, "FailedIndexes").await?;
        let over = r#"{.status.conditions[?(@.type=="Failed")].reason}"#;
        cluster.reads("job/doomed", over, "BackoffLimitExceeded").await?;
        let first = eventually("the CronJob has run", || async {
            let jobs = kubectl(&["get", "jobs", "-o", "name"])?;
            Ok(jobs.lines().find(|name| name.contains("/tick-")).map(str::to_owned))
        })
        .await?;
        kubectl(&["wait", &first, "--for=condition=Complete", "--timeout=60s"])?;
        ensure!(kubectl(&["logs", &first])? == "tick\n");
        let last = kubectl(&["get", "cronjob", "tick", "-o", "jsonpath={.status.lastScheduleTime}"])?;
        ensure!(!last.is_empty());

        // Whoever is at work shows it.
        let told = kubectl(&["describe", "actor", "root.controllers.replicaset"])?;
        for word in ["Depth:", "Errors:", "Reconcile Micros:", "Last Error:", "serviceaccount", "default/refused-"] {
            ensure!(told.contains(word), "{word} is not in\n{told}");
        }
        let metrics = kubectl(&["get", "--raw", "/metrics"])?;
        for name in ["replicaset", "job", "cronjob", "statefulset", "endpointslicemirroring", "scheduler"] {
            for metric in ["workqueue_depth", "workqueue_adds_total", "workqueue_work_duration_seconds_count"] {
                let wanted = format!("{metric}{{name=\"{name}\"}}");
                ensure!(metrics.lines().any(|line| line.starts_with(&wanted)), "{wanted} is not there");
            }
        }
        let retries = metrics.lines().find_map(|l| l.strip_prefix("workqueue_retries_total{name=\"replicaset\"} "));
        let retries: u64 = retries.context("retries are counted")?.parse()?;
        ensure!((1..60).contains(&retries), "{retries} retries: no back-off");

        // What kept them away is gone.
        kubectl(&["create", "serviceaccount", "absent"])?;
        kubectl(&["rollout", "status", "deployment/refused", "--timeout=60s"])?;
        cluster.reads("deployment/refused", failure, "").await
    });
}
