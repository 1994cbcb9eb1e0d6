//! Container logs in the CRI format: `2026-01-02T03:04:05.678901234Z stdout F text`.
//!
//! The shim writes (with rotation), the agent reads. Deliberately absent: compression and shipping.

mod reader;
mod writer;

pub use reader::{Lines, Options, read};
pub(crate) use writer::{LineBuffer, Log};
pub use writer::{MAX_FILE_BYTES, MAX_FILES, MOST_FILES};

use std::path::{Path, PathBuf};

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and all of a terminal's.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The `n`th older file of a log; 0 is the log itself.
fn rotated(path: &Path, n: usize) -> PathBuf {
    if n == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

#[cfg(test)]
mod tests;
