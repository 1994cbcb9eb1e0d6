//! Rules for source files: length, headers, words that pure code must not say.

use crate::root;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Most lines of a Rust file: a file is one noun or verb.
const MAX_LINES: usize = 500;
/// Most columns of a line.
const MAX_COLUMNS: usize = 140;

const PURE_DIRS: &[&str] = &[
    "api/types",
    "api/kinds",
    "api/machinery",
    "actors/controllers",
    "actors/scheduler",
    "runtime/lifecycle",
    "net/rules",
];
/// What a decision must not ask for.
const IMPURE_WORDS: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "std::env",
    "Uuid::new_v4",
    "rand::",
];

fn tracked(pattern: &str) -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", pattern]).current_dir(root()).output().expect("git runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let files: Vec<PathBuf> = text.lines().map(PathBuf::from).filter(|f| root().join(f).exists()).collect();
    assert!(!files.is_empty(), "git lists no {pattern}");
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).expect("tracked files are readable text")
}

#[test]
fn rust_files_are_short_and_say_why_they_exist() {
    let mut wrong = Vec::new();
    for file in tracked("*.rs") {
        let text = read(&file);
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines, at most {MAX_LINES}", file.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with a //! header", file.display()));
        }
        let long = |l: &str| l.chars().count() > MAX_COLUMNS && !is_literal(l.trim());
        for (n, line) in text.lines().enumerate().filter(|(_, l)| long(l)) {
            wrong.push(format!("{}:{}: {} columns", file.display(), n + 1, line.chars().count()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A text of Kubernetes, whole in a line of its own, so that it is found by a search.
fn is_literal(line: &str) -> bool {
    let line = line.trim_end_matches(',');
    (line.starts_with("r#\"") && line.ends_with("\"#")) || (line.starts_with('"') && line.ends_with('"'))
}

#[test]
fn pure_code_asks_for_nothing() {
    let mut wrong = Vec::new();
    for file in tracked("*.rs") {
        let path = file.to_string_lossy();
        if !PURE_DIRS.iter().any(|dir| path.starts_with(&format!("{dir}/src/"))) {
            continue;
        }
        let text = read(&file);
        // A module of its own for tests begins without the word.
        if path.ends_with("/tests.rs") || path.contains("/tests/") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (n, line) in code.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            for word in IMPURE_WORDS.iter().filter(|w| line.contains(**w)) {
                wrong.push(format!("{path}:{}: {word}", n + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "pure code asks for the world:\n{}", wrong.join("\n"));
}

#[test]
fn migrations_are_numbered_and_say_why() {
    for (n, file) in tracked("migrations/*.sql").iter().enumerate() {
        let name = file.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        assert!(name.starts_with(&format!("{:04}_", n + 1)), "{name}: numbers run without a gap");
        assert!(read(file).starts_with("--"), "{name}: begins with a comment that says why");
    }
}

#[test]
fn nothing_is_left_unfinished_or_unrun() {
    let words = ["todo!(", "unimplemented!(", concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[", "ignore")];
    let mut wrong = Vec::new();
    for file in tracked("*.rs").into_iter().filter(|f| !f.starts_with("tests/tidy")) {
        for (n, line) in read(&file).lines().enumerate() {
            if words.iter().any(|w| line.contains(w)) {
                wrong.push(format!("{}:{}: {}", file.display(), n + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
