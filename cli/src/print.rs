//! Writing to standard output as a filter does: a reader that has seen enough (`podium tree | head`) is no error.

use std::io::{ErrorKind, Result, Write, stdout};

/// Writes `text` and a line's end. A closed pipe counts as written.
///
/// # Errors
/// Whatever else the stream refuses.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
