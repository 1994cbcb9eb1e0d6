//! What is written comes back, over rotations too.

use std::path::Path;

use jiff::Timestamp;

use super::*;

fn write(path: &Path, max_bytes: u64, pieces: &[&str]) {
    let mut log = Log::open(path, max_bytes).unwrap();
    let mut line = LineBuffer::new(Stream::Stdout);
    for (second, piece) in pieces.iter().enumerate() {
        line.push(piece.as_bytes(), Timestamp::from_second(second as i64).unwrap(), &mut log).unwrap();
    }
    line.finish(Timestamp::from_second(pieces.len() as i64).unwrap(), &mut log).unwrap();
}

async fn text(path: &Path, options: Options) -> String {
    let mut lines = read(path, options, || true).unwrap();
    let mut all = Vec::new();
    while let Some(piece) = lines.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn options_select_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/0.log");
    write(&path, MAX_FILE_BYTES, &["a\nb", "c\nd\n", "end"]);
    let all = Options::default();
    assert_eq!(text(&path, all.clone()).await, "a\nbc\nd\nend");
    assert_eq!(text(&path, Options { tail: Some(2), ..all.clone() }).await, "d\nend");
    assert_eq!(text(&path, Options { tail: Some(0), ..all.clone() }).await, "");
    assert_eq!(text(&path, Options { tail: Some(99), ..all.clone() }).await, "a\nbc\nd\nend");
    assert_eq!(text(&path, Options { limit_bytes: Some(3), ..all.clone() }).await, "a\nb");
    let since = Some(Timestamp::from_second(1).unwrap());
    assert_eq!(text(&path, Options { since, ..all.clone() }).await, "bc\nd\nend");
    let stamped = Options { tail: Some(3), timestamps: true, ..all.clone() };
    assert!(text(&path, stamped).await.starts_with("1970-01-01T00:00:01.000000000Z bc\n"));
    assert_eq!(text(&path, Options { skip_stdout: true, ..all.clone() }).await, "");
    assert_eq!(text(&dir.path().join("missing"), all).await, "");
}

#[tokio::test]
async fn long_lines_are_split_and_joined() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let long = "x".repeat(40_000);
    write(&path, MAX_FILE_BYTES, &[&long, "\nshort\n"]);
    assert_eq!(text(&path, Options::default()).await, format!("{long}\nshort\n"));
    assert_eq!(std::fs::read_to_string(&path).unwrap().matches(" P ").count(), 2);
}

#[tokio::test]
async fn rotation_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let lines: Vec<String> = (0..100).map(|n| format!("{n}\n")).collect();
    write(&path, 500, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let all = text(&path, Options::default()).await;
    assert!(all.ends_with("98\n99\n"), "{all}");
    let first: u32 = all.lines().next().unwrap().parse().unwrap();
    assert_eq!(all.lines().count() as u32, 100 - first, "no line is missing in between");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), MAX_FILES);
    assert_eq!(text(&path, Options { tail: Some(20), ..Options::default() }).await.lines().count(), 20);
}

#[tokio::test]
async fn following_crosses_a_rotation_and_ends() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    write(&path, MAX_FILE_BYTES, &["one\n"]);
    let done = Arc::new(AtomicBool::new(false));
    let seen = done.clone();
    let follow = Options { follow: true, ..Options::default() };
    let mut lines = read(&path, follow, move || seen.load(Ordering::SeqCst)).unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "one\n");
    write(&path, 10, &["two\n"]);
    assert_eq!(lines.next().await.unwrap().unwrap(), "two\n");
    write(&path, MAX_FILE_BYTES, &["three\n"]);
    done.store(true, Ordering::SeqCst);
    assert_eq!(lines.next().await.unwrap().unwrap(), "three\n");
    assert!(lines.next().await.is_none());
}
