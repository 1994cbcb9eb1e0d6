//! Bytes of a container become CRI lines in a file that is rotated by size.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Stream, rotated};

/// A log is rotated at this size (the kubelet's containerLogMaxSize).
pub const MAX_FILE_BYTES: u64 = 10 << 20;
/// Files kept per log, the current one included (containerLogMaxFiles).
pub const MAX_FILES: usize = 5;
/// More files than this are neither kept nor read.
pub const MOST_FILES: usize = 64;
/// A longer line is split into partial (`P`) records, as containerd does.
const MAX_LINE_BYTES: usize = 16 << 10;

/// An open log.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    max_bytes: u64,
    max_files: usize,
    records: Vec<u8>,
}

impl Log {
    /// Opens for appending; makes directories.
    pub fn open(path: &Path, max_bytes: u64) -> io::Result<Log> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = open(path)?;
        let size = file.metadata()?.len();
        Ok(Log { path: path.to_owned(), file, size, max_bytes, max_files: MAX_FILES, records: Vec::new() })
    }

    /// Keeps so many files, the current one included.
    pub fn keep(mut self, files: usize) -> Log {
        self.max_files = files.clamp(1, MOST_FILES);
        self
    }

    /// Starts a new file at the path, after somebody moved the old one away.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }

    /// Adds one record; [`Log::flush`] brings it to the file.
    fn record(&mut self, time: &str, stream: Stream, partial: bool, text: &[u8]) {
        let out = &mut self.records;
        out.extend_from_slice(time.as_bytes());
        out.push(b' ');
        out.extend_from_slice(stream.name().as_bytes());
        out.extend_from_slice(if partial { b" P " } else { b" F " });
        out.extend_from_slice(text);
        out.push(b'\n');
    }

    /// Writes what was recorded, rotating first when the file would grow beyond its limit.
    fn flush(&mut self) -> io::Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        if self.size > 0 && self.size + self.records.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        let result = self.file.write_all(&self.records);
        self.size += self.records.len() as u64;
        self.records.clear();
        result
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.max_files == 1 {
            fs::remove_file(&self.path)?;
        }
        for n in (0..self.max_files - 1).rev() {
            match fs::rename(rotated(&self.path, n), rotated(&self.path, n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.reopen()
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().create(true).append(true).mode(0o640).open(path)
}

/// One stream's unfinished line.
pub(crate) struct LineBuffer {
    stream: Stream,
    rest: Vec<u8>,
}

impl LineBuffer {
    pub fn new(stream: Stream) -> LineBuffer {
        LineBuffer { stream, rest: Vec::new() }
    }

    /// Logs the whole lines of `bytes`, keeps the rest.
    pub fn push(&mut self, mut bytes: &[u8], now: Timestamp, log: &mut Log) -> io::Result<()> {
        let time = format!("{now:.9}");
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&bytes[..end], &bytes[end + 1..]);
            bytes = after;
            if self.rest.is_empty() && line.len() <= MAX_LINE_BYTES {
                log.record(&time, self.stream, false, line);
            } else {
                self.rest.extend_from_slice(line);
                self.split(&time, log);
                log.record(&time, self.stream, false, &self.rest);
                self.rest.clear();
            }
        }
        self.rest.extend_from_slice(bytes);
        self.split(&time, log);
        log.flush()
    }

    /// The stream ended: what has no newline is a partial line.
    pub fn finish(&mut self, now: Timestamp, log: &mut Log) -> io::Result<()> {
        if !self.rest.is_empty() {
            log.record(&format!("{now:.9}"), self.stream, true, &self.rest);
            self.rest = Vec::new();
        }
        log.flush()
    }

    fn split(&mut self, time: &str, log: &mut Log) {
        while self.rest.len() > MAX_LINE_BYTES {
            log.record(time, self.stream, true, &self.rest[..MAX_LINE_BYTES]);
            self.rest.drain(..MAX_LINE_BYTES);
        }
    }
}
