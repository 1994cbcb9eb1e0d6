//! `docs/kinds.md`, made from the [`KINDS`] table so that it cannot be wrong.

use crate::{FACES, KINDS, Kind};
use std::fmt::Write;

/// The page as it must stand in the repository; `tests/tidy` compares.
pub fn kinds_markdown() -> String {
    let mut page = String::from(
        "# Kinds that Podium serves\n\n\
         Made from the KINDS table in `api/kinds`; edit there. Columns in parentheses appear with `-o wide`.\n",
    );
    for kind in KINDS {
        section(&mut page, kind);
    }
    page
}

fn section(page: &mut String, kind: &Kind) {
    let columns: Vec<String> =
        kind.columns.iter().map(|c| if c.priority > 0 { format!("({})", c.name) } else { c.name.to_owned() }).collect();
    let mut lines = vec![
        ("Resource", code(&[&[kind.plural], kind.short_names].concat())),
        ("Also served as", code(&faces(kind).iter().map(String::as_str).collect::<Vec<_>>())),
        ("Scope", if kind.namespaced { "namespace" } else { "cluster" }.to_owned()),
        ("Verbs", code(kind.verbs)),
        ("Subresources", code(&kind.subresources.iter().map(|s| s.name).collect::<Vec<_>>())),
        ("Columns", columns.join(", ")),
        ("Field selectors", code(&[&["metadata.name", "metadata.namespace"], kind.selectable].concat())),
    ];
    if kind.sealed {
        lines.push(("Stored", "sealed".to_owned()));
    }
    if kind.live {
        lines.push(("Stored", "not at all: read from the running system".to_owned()));
    }
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {} ({})\n\n", kind.kind, kind.api_version());
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(page, "- {name}: {value}");
    }
}

fn faces(kind: &Kind) -> Vec<String> {
    FACES.iter().filter(|f| std::ptr::eq(f.stored, kind)).map(|f| f.shown.api_version()).collect()
}

fn code(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}
