//! `podium tree`: the live actor tree, control plane and agents, as a tree.

use crate::{
    access,
    args::{Output, TreeArgs},
    print,
};
use anyhow::Result;
use serde_json::Value;

/// Runs the command.
pub fn run(args: &TreeArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let list: Value = runtime.block_on(async {
        let request = http::Request::get("/apis/supervision.podium.dev/v1alpha1/actors").body(Vec::new())?;
        anyhow::Ok(access::client(&args.access).await?.request(request).await?)
    })?;
    if args.output == Output::Json {
        return Ok(print::line(list)?);
    }
    let head = format!("{:<56} {:<9} {:>8} {:>11} {:>9}  LAST ERROR", "ACTOR", "STATE", "RESTARTS", "MAILBOX", "P99");
    let actors = list["items"].as_array().into_iter().flatten().map(|actor| line(&actor["status"]));
    Ok(print::line(std::iter::once(head).chain(actors).collect::<Vec<_>>().join("\n"))?)
}

fn line(status: &Value) -> String {
    let path = status["path"].as_str().unwrap_or_default();
    let depth = path.matches('/').count();
    let name = path.rsplit('/').next().unwrap_or(path);
    let shown = format!("{}{name}", "  ".repeat(depth));
    let number = |field: &str| status[field].as_u64().unwrap_or(0);
    let mailbox = match number("mailboxCapacity") {
        0 => String::new(),
        capacity => format!("{}/{capacity}", number("mailboxDepth")),
    };
    let p99 = match number("latencyP99Micros") {
        0 => String::new(),
        micros => format!("{micros} µs"),
    };
    let state = status["state"].as_str().unwrap_or_default();
    let error = status["lastError"].as_str().unwrap_or_default();
    format!("{shown:<56} {state:<9} {:>8} {mailbox:>11} {p99:>9}  {error}", number("restarts"))
}
