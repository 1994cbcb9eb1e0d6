//! The direction of dependencies: pure never on a shell, a shell never on a sibling shell.

use crate::root;
use serde_json::Value;
use std::{collections::BTreeSet, process::Command};

/// Crates that decide. They may depend on those before them.
const PURE: &[&str] = &["types", "kinds", "machinery", "streams", "controllers", "scheduler", "lifecycle", "rules"];
/// Crates that act. They may depend on every pure crate, and on supervision.
const SHELLS: &[&str] = &["store", "server", "oci", "volumes", "dataplane"];
/// Where shells meet, beside the binary.
const COMPOSERS: &[&str] = &["system", "agent"];
/// Third-party crates that one crate alone may use.
const ONLY_UNDER: &[(&str, &str)] = &[("sqlx", "store"), ("libcontainer", "oci")];
/// Third-party crates that no pure crate may use.
const IMPURE: &[&str] = &["tokio", "actix", "actix-rt", "actix-web", "sqlx", "nix", "libc", "hyper", "kube", "tracing"];

/// (crate, its ordinary dependencies); names of ours without `podium-`.
fn crates() -> Vec<(String, Vec<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let short = |v: &Value| v.as_str().unwrap_or_default().trim_start_matches("podium-").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|p| {
            let all = p["dependencies"].as_array().expect("dependencies");
            (short(&p["name"]), all.iter().filter(|d| d["kind"].is_null()).map(|d| short(&d["name"])).collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let crates = crates();
    let ours: BTreeSet<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
    let mut wrong = Vec::new();
    for (name, dependencies) in &crates {
        let allowed: Vec<&str> = if let Some(at) = PURE.iter().position(|p| p == name) {
            PURE[..at].to_vec()
        } else if SHELLS.contains(&name.as_str()) {
            [PURE, &["supervision"]].concat()
        } else if COMPOSERS.contains(&name.as_str()) {
            [PURE, SHELLS, &["supervision"]].concat()
        } else if name == "supervision" {
            Vec::new()
        } else {
            continue; // the binary, tests and benches
        };
        for dependency in dependencies.iter().filter(|d| ours.contains(d.as_str())) {
            if !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{name} -> {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of docs/ARCHITECTURE.md: {wrong:?}");
}

#[test]
fn every_crate_has_its_place() {
    let named: BTreeSet<&str> = [PURE, SHELLS, COMPOSERS, &["supervision", "podium", "tidy", "e2e", "fuzz", "benches"]]
        .concat()
        .into_iter()
        .collect();
    let strangers: Vec<_> = crates().into_iter().map(|(n, _)| n).filter(|n| !named.contains(n.as_str())).collect();
    assert!(strangers.is_empty(), "name these in the table above and in docs/ARCHITECTURE.md: {strangers:?}");
}

#[test]
fn each_powerful_crate_has_one_home() {
    for (name, dependencies) in crates() {
        for (what, home) in ONLY_UNDER {
            assert!(name == *home || !dependencies.iter().any(|d| d == what), "{name} uses {what}: only {home} may");
        }
    }
}

#[test]
fn pure_crates_have_nothing_to_act_with() {
    for (name, dependencies) in crates().into_iter().filter(|(n, _)| PURE.contains(&n.as_str())) {
        let found: Vec<_> = dependencies.iter().filter(|d| IMPURE.contains(&d.as_str())).collect();
        assert!(found.is_empty(), "{name} is pure and depends on {found:?}");
    }
}
