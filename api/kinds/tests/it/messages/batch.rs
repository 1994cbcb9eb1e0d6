//! Jobs and CronJobs.

use super::new_objects;
use serde_json::{Value, json};

#[test]
fn jobs() {
    new_objects(
        "jobs.batch",
        &[
            (
                "/spec/template/spec/restartPolicy",
                json!("Always"),
                &[r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#],
            ),
            (
                "/spec/parallelism",
                json!(-1),
                &["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                "/spec/backoffLimit",
                json!(-1),
                &["spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                "/spec/completionMode",
                json!("Odd"),
                &[r#"spec.completionMode: Unsupported value: "Odd": supported values: "Indexed", "NonIndexed""#],
            ),
            (
                "/spec",
                json!({"completionMode": "Indexed", "parallelism": 1, "template": {"spec": {"restartPolicy": "Never",
                    "containers": [{"name": "a", "image": "a"}]}}}),
                &["spec.completions: Required value: when completion mode is Indexed"],
            ),
            (
                "/spec/backoffLimitPerIndex",
                json!(1),
                &["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
            ),
            ("/spec/manualSelector", json!(true), &["spec.selector: Required value"]),
        ],
    );
}

#[test]
fn cron_jobs() {
    new_objects(
        "cronjobs.batch",
        &[
            ("/spec/schedule", Value::Null, &["spec.schedule: Required value"]),
            ("/spec/schedule", json!("often"), &[r#"spec.schedule: Invalid value: "often": …"#]),
            (
                "/spec/schedule",
                json!("TZ=UTC 0 0 * * *"),
                &[
                    r#"spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"#,
                ],
            ),
            (
                "/spec/timeZone",
                json!(""),
                &[r#"spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string"#],
            ),
            (
                "/spec/concurrencyPolicy",
                json!("Queue"),
                &[
                    r#"spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace""#,
                ],
            ),
            (
                "/spec/startingDeadlineSeconds",
                json!(-1),
                &["spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                "/spec/jobTemplate/spec/manualSelector",
                json!(true),
                &[r#"spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false""#],
            ),
            (
                "/spec/jobTemplate/spec/selector",
                json!({"matchLabels": {"a": "b"}}),
                &[r#"spec.jobTemplate.spec.selector: Invalid value: …: `selector` will be auto-generated"#],
            ),
        ],
    );
}
