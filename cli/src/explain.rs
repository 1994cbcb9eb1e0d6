//! `podium explain pod NAME`: why a pod is where it is, or waits.

use crate::{
    access,
    args::{ExplainArgs, Explained, Output},
    print,
};
use anyhow::{Result, anyhow};
use serde_json::Value;

/// Runs the command.
pub fn run(args: &ExplainArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Explained::Pod = args.kind;
    for part in args.namespace.iter().chain([&args.name]) {
        podium_kinds::names::dns_subdomain(part).map_err(|why| anyhow!("{part:?} is no name: {why}"))?;
    }
    let told: Value = runtime.block_on(async {
        let client = access::client(&args.access).await?;
        let namespace = args.namespace.as_deref().unwrap_or(client.default_namespace());
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}/explain", args.name);
        let request = http::Request::get(path).body(Vec::new())?;
        client.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) => anyhow!(status.message.clone()),
            other => other.into(),
        })
    })?;
    let shown = if args.output == Output::Json { serde_json::to_string_pretty(&told)? } else { table(&told) };
    Ok(print::line(shown)?)
}

/// For people: the verdict, what would help, and a line for each node.
fn table(told: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![
        format!("Pod:      {}/{}", text(&told["metadata"]["namespace"]), text(&told["metadata"]["name"])),
        format!("State:    {}", text(&told["state"])),
        format!("Message:  {}", text(&told["message"])),
    ];
    lines.extend(told["advice"].as_str().map(|advice| format!("Advice:   {advice}")));
    let nodes: Vec<[String; 5]> = told["nodes"].as_array().into_iter().flatten().map(row).collect();
    if !nodes.is_empty() {
        lines.push(String::new());
        lines.extend(columns(&nodes));
    }
    lines.join("\n")
}

/// Node, whether it fits, its score, how many filters it passes, and what the others say.
fn row(node: &Value) -> [String; 5] {
    let filters = node["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let passed = filters.iter().filter(|filter| filter["passed"] == true).count();
    let refusals = filters.iter().filter(|filter| filter["passed"] != true).map(|filter| {
        let reasons: Vec<&str> = filter["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{}: {}", filter["filter"].as_str().unwrap_or_default(), reasons.join(", "))
    });
    [
        node["node"].as_str().unwrap_or_default().to_owned(),
        if node["fits"] == true { "yes" } else { "no" }.to_owned(),
        node["score"].as_i64().map(|score| score.to_string()).unwrap_or_default(),
        format!("{passed}/{}", filters.len()),
        refusals.collect::<Vec<_>>().join("; "),
    ]
}

/// The rows below their heads, every column as wide as its widest cell.
fn columns(rows: &[[String; 5]]) -> Vec<String> {
    let head = ["NODE", "FITS", "SCORE", "FILTERS", "REFUSED BY"].map(str::to_owned);
    let all: Vec<&[String; 5]> = std::iter::once(&head).chain(rows).collect();
    let mut widths = [0_usize; 5];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row.iter()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_node_has_its_line() {
        let opinion = |filter: &str, reasons: Value| {
            let passed = reasons.as_array().is_some_and(Vec::is_empty);
            json!({"filter": filter, "passed": passed, "reasons": reasons})
        };
        let told = json!({"metadata": {"name": "web", "namespace": "shop"}, "state": "Unschedulable",
            "message": "0/2 nodes are available", "advice": "a: kubectl uncordon a", "nodes": [
            {"node": "a", "fits": false, "filters": [opinion("NodeUnschedulable", json!(["node(s) were unschedulable"])),
                opinion("NodePorts", json!([]))]},
            {"node": "long-name", "fits": true, "score": 312, "filters": [opinion("NodePorts", json!([]))]}]});
        let expected = "\
Pod:      shop/web
State:    Unschedulable
Message:  0/2 nodes are available
Advice:   a: kubectl uncordon a

NODE       FITS  SCORE  FILTERS  REFUSED BY
a          no           1/2      NodeUnschedulable: node(s) were unschedulable
long-name  yes   312    1/1";
        assert_eq!(table(&told), expected);
    }
}
