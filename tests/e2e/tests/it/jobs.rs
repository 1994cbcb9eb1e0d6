//! Jobs and CronJobs as Kubernetes' conformance tests try them: policies of failure and success,
//! owners, and what a schedule does about the run before.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};

/// `%SPEC%` of the Job, `%POD%` of its pods and their `%COMMAND%` are replaced.
const JOB: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: %NAME%}
spec:
  %SPEC%
  template:
    spec:
      terminationGracePeriodSeconds: 0
      %POD%
      containers: [{name: c, image: "podium/demo:1", command: [sh, -c, '%COMMAND%']}]
"#;

fn job(name: &str, spec: &str, pod: &str, command: &str) -> String {
    let text = JOB.replace("%NAME%", name).replace("%SPEC%", &spec.replace("; ", "\n  "));
    text.replace("%POD%", pod).replace("%COMMAND%", command)
}

/// Reason of a condition of a Job.
fn reason(kind: &str) -> String {
    format!(r#"{{.status.conditions[?(@.type=="{kind}")].reason}}"#)
}

const NEVER: &str = "restartPolicy: Never";

#[test]
fn jobs_fail_and_succeed_by_their_policies() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let indexed = "completionMode: Indexed; parallelism: 4; completions: 4";
        let odd = "test $((JOB_COMPLETION_INDEX % 2)) = 0";
        let forever = "test $JOB_COMPLETION_INDEX = 0 || sleep 3600";
        let exit = |action: &str| {
            format!("podFailurePolicy: {{rules: [{{action: {action}, onExitCodes: {{operator: In, values: [42]}}}}]}}")
        };
        for manifest in [
            job("by-index", &format!("{indexed}; backoffLimitPerIndex: 1"), NEVER, odd),
            job("too-many", &format!("{indexed}; backoffLimitPerIndex: 0; maxFailedIndexes: 0"), NEVER, "exit 1"),
            job(
                "early",
                &format!("parallelism: 2; completions: 4; backoffLimit: 6; {}", exit("FailJob")),
                NEVER,
                "exit 42",
            ),
            job("index", &format!("{indexed}; backoffLimitPerIndex: 6; {}", exit("FailIndex")), NEVER, "exit 42"),
            job("all", &format!("{indexed}; successPolicy: {{rules: [{{succeededIndexes: 0-3}}]}}"), NEVER, "true"),
            job("some", &format!("{indexed}; successPolicy: {{rules: [{{succeededIndexes: \"0\"}}]}}"), NEVER, forever),
            job("number", &format!("{indexed}; successPolicy: {{rules: [{{succeededCount: 1}}]}}"), NEVER, forever),
            job(
                "local",
                "parallelism: 2; completions: 3; backoffLimit: 6",
                "restartPolicy: OnFailure\n      volumes: [{name: v, emptyDir: {}}]",
                "if [ -e /v/once ]; then exit 0; fi; touch /v/once; exit 1",
            )
            .replace("command:", "volumeMounts: [{name: v, mountPath: /v}], command:"),
        ] {
            cluster.apply(&manifest)?;
        }
        let (failed, complete, met) = (reason("Failed"), reason("Complete"), reason("SuccessCriteriaMet"));
        for (name, path, expected) in [
            ("by-index", failed.as_str(), "FailedIndexes"),
            ("by-index", "{.status.completedIndexes}/{.status.failedIndexes}/{.status.failed}", "0,2/1,3/4"),
            ("too-many", &failed, "MaxFailedIndexesExceeded"),
            ("early", &failed, "PodFailurePolicy"),
            ("index", &failed, "FailedIndexes"),
            ("index", "{.status.failedIndexes}/{.status.failed}", "0-3/4"),
            ("all", &met, "SuccessPolicy"),
            ("all", &complete, "SuccessPolicy"),
            ("all", "{.status.completedIndexes}", "0-3"),
            ("some", &met, "SuccessPolicy"),
            ("some", &complete, "SuccessPolicy"),
            ("some", "{.status.completedIndexes}/{.status.active}", "0/"),
            ("number", &complete, "SuccessPolicy"),
            ("local", "{.status.succeeded}/{.status.failed}", "3/"),
        ] {
            cluster.reads(&format!("job/{name}"), path, expected).await?;
        }
        Ok(())
    });
}

/// The pods of a Job that are not on their way out.
fn pods(cluster: &Cluster, job: &str) -> Result<Vec<String>> {
    let path = r#"jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}"#;
    let text = cluster.kubectl(&["get", "pods", "-l", &format!("job-name={job}"), "-o", path])?;
    let lines = text.lines().filter_map(|line| line.split_once(' ')).filter(|(_, gone)| gone.is_empty());
    Ok(lines.map(|(name, _)| name.to_owned()).collect())
}

#[test]
fn jobs_own_their_pods_and_forgive_evictions() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        cluster.apply(&job("own", "parallelism: 2; completions: 4", NEVER, "sleep 3600"))?;
        cluster.reads("job/own", "{.status.ready}", "2").await?;
        let first = pods(&cluster, "own")?.remove(0);
        let owner = "{.metadata.ownerReferences[*].name}";
        let orphan = r#"[{"op":"remove","path":"/metadata/ownerReferences"}]"#;
        kubectl(&["patch", "pod", &first, "--type=json", "-p", orphan])?;
        cluster.reads(&format!("pod/{first}"), owner, "own").await?;
        let labels = r#"[{"op":"replace","path":"/metadata/labels","value":{"free":"yes"}}]"#;
        kubectl(&["patch", "pod", &first, "--type=json", "-p", labels])?;
        cluster.reads(&format!("pod/{first}"), owner, "").await?;
        eventually("another takes its place", || async { Ok((pods(&cluster, "own")?.len() == 2).then_some(())) })
            .await?;
        kubectl(&["delete", "pod", &first, "--now"])?;

        // Suspended, started, and written to through the status.
        kubectl(&["patch", "job", "own", "-p", r#"{"spec":{"suspend":true}}"#])?;
        eventually("nothing runs", || async { Ok(pods(&cluster, "own")?.is_empty().then_some(())) }).await?;
        cluster.reads("job/own", r#"{.status.conditions[?(@.type=="Suspended")].status}"#, "True").await?;
        let patch = r#"{"metadata":{"annotations":{"patched":"yes"}},"status":{"startTime":"2026-01-01T00:00:00Z"}}"#;
        let patched =
            kubectl(&["patch", "job", "own", "--subresource=status", "--type=merge", "-p", patch, "-o", "json"])?;
        ensure!(patched.contains("\"patched\": \"yes\""), "{patched}");
        kubectl(&["delete", "job", "own"])?;

        // An eviction is no failure, where the policy says so.
        let ignore = "completionMode: Indexed; parallelism: 2; completions: 2; backoffLimit: 0; podFailurePolicy: \
            {rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]}";
        let host = "restartPolicy: Never\n      volumes: [{name: v, hostPath: {path: %DIR%, type: DirectoryOrCreate}}]";
        let dir = cluster.data.join("marks").to_string_lossy().into_owned();
        let command = "if [ -e /v/$JOB_COMPLETION_INDEX ]; then exit 0; fi; touch /v/$JOB_COMPLETION_INDEX; sleep 3600";
        let manifest = job("evicted", ignore, &host.replace("%DIR%", &dir), command);
        cluster.apply(&manifest.replace("command:", "volumeMounts: [{name: v, mountPath: /v}], command:"))?;
        cluster.reads("job/evicted", "{.status.ready}", "2").await?;
        eventually("both have left their marks", || async {
            Ok((std::fs::read_dir(&dir)?.count() == 2).then_some(()))
        })
        .await?;
        for pod in pods(&cluster, "evicted")? {
            let file = cluster.data.join("eviction.json");
            let metadata = serde_json::json!({"name": pod, "namespace": "default"});
            let eviction = serde_json::json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
            std::fs::write(&file, eviction.to_string())?;
            let path = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
            kubectl(&["create", "--raw", &path, "-f", &file.to_string_lossy()])?;
        }
        cluster.reads("job/evicted", "{.status.succeeded}", "2").await?;
        kubectl(&["wait", "job/evicted", "--for=condition=Complete", "--timeout=60s"]).map(drop)
    });
}

/// A schedule by the second: minutes go by fast.
const CRON: &str = r#"
apiVersion: batch/v1
kind: CronJob
metadata: {name: %NAME%, labels: {cron: "yes"}}
spec:
  schedule: "@every 2s"
  concurrencyPolicy: %POLICY%
  suspend: %SUSPEND%
  successfulJobsHistoryLimit: 1
  jobTemplate:
    metadata: {labels: {of: %NAME%}}
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          terminationGracePeriodSeconds: 0
          containers: [{name: c, image: "podium/demo:1", command: [sleep, "%SLEEP%"]}]
"#;

fn cron(name: &str, policy: &str, suspend: bool, sleep: u32) -> String {
    let text = CRON.replace("%NAME%", name).replace("%POLICY%", policy);
    text.replace("%SUSPEND%", &suspend.to_string()).replace("%SLEEP%", &sleep.to_string())
}

/// Names of the Jobs of a CronJob.
fn runs(cluster: &Cluster, name: &str) -> Result<Vec<String>> {
    let text =
        cluster.kubectl(&["get", "jobs", "-l", &format!("of={name}"), "-o", "jsonpath={.items[*].metadata.name}"])?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn active(cluster: &Cluster, name: &str) -> Result<Vec<String>> {
    let text = cluster.kubectl(&["get", "cronjob", name, "-o", "jsonpath={.status.active[*].name}"])?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn a_schedule_heeds_the_run_before() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        for manifest in [
            cron("forbid", "Forbid", false, 300),
            cron("replace", "Replace", false, 300),
            cron("allow", "Allow", false, 300),
            cron("quick", "Forbid", false, 0),
            cron("none", "Allow", true, 300),
        ] {
            cluster.apply(&manifest)?;
        }
        // Several at once.
        eventually("two run at once", || async { Ok((active(&cluster, "allow")?.len() > 1).then_some(())) }).await?;
        kubectl(&["delete", "cronjob", "allow"])?;
        // One, whose place another takes, and which is gone then.
        let first = eventually("one runs", || async { Ok(active(&cluster, "replace")?.pop()) }).await?;
        eventually("another has replaced it", || async {
            let now = active(&cluster, "replace")?;
            ensure!(now.len() < 2, "{now:?}");
            Ok((now.first().is_some_and(|now| *now != first) && !runs(&cluster, "replace")?.contains(&first))
                .then_some(()))
        })
        .await?;
        kubectl(&["delete", "cronjob", "replace"])?;
        // One, and no other beside it; and it is said why.
        let only = runs(&cluster, "forbid")?;
        ensure!(only.len() == 1 && active(&cluster, "forbid")? == only, "{only:?}");
        eventually("it says why", || async {
            Ok(kubectl(&["describe", "cronjob", "forbid"])?.contains("JobAlreadyActive").then_some(()))
        })
        .await?;
        ensure!(runs(&cluster, "none")?.is_empty() && active(&cluster, "none")?.is_empty());
        // Runs that are over make way, but for the last.
        let done = || kubectl(&["get", "jobs", "-l", "of=quick", "--field-selector=status.successful=1", "-o", "name"]);
        let seen = eventually("one is done", || async { Ok(done()?.lines().next().map(str::to_owned)) }).await?;
        eventually("its place is taken", || async {
            let done = done()?;
            Ok((done.lines().count() == 1 && !done.contains(&seen)).then_some(()))
        })
        .await?;
        ensure!(!kubectl(&["get", "cronjob", "quick", "-o", "jsonpath={.status.lastSuccessfulTime}"])?.is_empty());

        // One that is woken runs.
        kubectl(&["patch", "cronjob", "none", "-p", r#"{"spec":{"suspend":false}}"#])?;
        eventually("it runs", || async { Ok((!active(&cluster, "none")?.is_empty()).then_some(())) }).await?;
        kubectl(&["delete", "cronjob", "-l", "cron=yes"])?;
        eventually("their jobs are gone", || async {
            Ok(kubectl(&["get", "jobs,pods", "-o", "name"])?.is_empty().then_some(()))
        })
        .await
    });
}
