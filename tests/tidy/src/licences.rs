//! Every dependency has a licence that deny.toml allows, checked without cargo-deny.

use crate::root;
use serde_json::Value;
use std::{collections::BTreeSet, fs, process::Command};

/// The licences between the brackets of `allow = […]` in deny.toml.
fn allowed() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
    let list = text.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("an allow list");
    list.split(',').map(|l| l.trim().trim_matches('"').to_owned()).filter(|l| !l.is_empty()).collect()
}

/// Whether an SPDX expression (with `/` for OR, as old manifests write it) can be met: one side of each OR, both of
/// each AND; brackets bind first.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    for (word, any) in [(" AND ", false), (" OR ", true), ("/", true)] {
        let parts = split(expression, word);
        if parts.len() > 1 {
            return if any { parts.iter().any(|p| met(p, allowed)) } else { parts.iter().all(|p| met(p, allowed)) };
        }
    }
    match expression.strip_prefix('(').and_then(|e| e.strip_suffix(')')) {
        Some(inner) => met(inner, allowed),
        None => allowed.contains(expression),
    }
}

/// Splits at `word` outside of brackets.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= from && text[at..].starts_with(word) => {
                parts.push(&text[from..at]);
                from = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[test]
fn expressions_are_read() {
    let allowed = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-3.0", false),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(GPL-3.0 OR MIT) AND BSL-1.0", false),
    ] {
        assert_eq!(met(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_dependency_may_be_used() {
    let allowed = allowed();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "{}", String::from_utf8_lossy(&output.stderr));
    let refused: Vec<String> = packages
        .iter()
        .filter(|p| match p["license"].as_str() {
            Some(licence) => !met(licence, &allowed),
            // A licence in a file of its own was read by a person.
            None => p["license_file"].is_null(),
        })
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
