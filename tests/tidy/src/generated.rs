//! Generated documents are what their generators say.

use crate::root;
use std::fs;

#[test]
fn kinds_md_is_what_the_kinds_say() {
    let path = root().join("docs/kinds.md");
    let expected = podium_kinds::docs::kinds_markdown();
    if std::env::var_os("PODIUM_BLESS").is_some() {
        fs::write(&path, &expected).expect("docs can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/kinds.md is stale: run PODIUM_BLESS=1 cargo nextest run -p podium-tidy");
}
