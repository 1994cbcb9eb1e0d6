//! Reads a log back as `kubectl logs` wants it: tail, since, timestamps, limit, follow.
//!
//! Rotated files are read too, oldest first, so a busy container's log does not shrink at a rotation.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::{MOST_FILES, rotated};

/// How often a followed log is looked at.
const FOLLOW_PAUSE: Duration = Duration::from_millis(40);
/// Bytes read at once; also about the size of a piece that [`Lines::next`] yields.
const CHUNK_BYTES: usize = 64 << 10;

/// Kubernetes' PodLogOptions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only the last so many lines.
    pub tail: Option<u64>,
    /// Only lines written at or after this time.
    pub since: Option<Timestamp>,
    /// Each line begins with its RFC 3339 time.
    pub timestamps: bool,
    /// End after so many bytes.
    pub limit_bytes: Option<u64>,
    /// Wait for more until the container has ended.
    pub follow: bool,
    /// Leave out what came from stdout.
    pub skip_stdout: bool,
    /// Leave out what came from stderr.
    pub skip_stderr: bool,
}

/// A log being read.
pub struct Lines {
    path: PathBuf,
    options: Options,
    ended: Box<dyn Fn() -> bool + Send>,
    files: VecDeque<File>,
    inode: u64,
    rest: Vec<u8>,
    budget: u64,
    /// The last record was partial: what follows continues its line.
    midline: bool,
}

/// Opens a log. `ended` says that the container writes no more; it is asked only when following. A missing log is
/// empty, and may appear while it is followed.
pub fn read(path: &Path, options: Options, ended: impl Fn() -> bool + Send + 'static) -> io::Result<Lines> {
    let mut files = VecDeque::new();
    for n in (0..MOST_FILES).rev() {
        match File::open(rotated(path, n)) {
            Ok(file) => files.push_back(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let inode = files.back().map(File::metadata).transpose()?.map_or(0, |meta| meta.ino());
    if let Some(tail) = options.tail {
        skip_to_tail(&mut files, tail)?;
    }
    let budget = options.limit_bytes.unwrap_or(u64::MAX);
    let (path, ended) = (path.to_owned(), Box::new(ended));
    Ok(Lines { path, options, ended, files, inode, rest: Vec::new(), budget, midline: false })
}

impl Lines {
    /// The next piece of text; None at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        while self.budget > 0 {
            // Asked before reading, so that what was written before the end is still read.
            let last = !self.options.follow || (self.ended)();
            let mut out = Vec::new();
            let more = match self.fill(&mut out) {
                Ok(more) => more,
                Err(error) => return Some(Err(error)),
            };
            if !out.is_empty() {
                out.truncate(usize::try_from(self.budget).unwrap_or(usize::MAX));
                self.budget -= out.len() as u64;
                return Some(Ok(out.into()));
            }
            if !more {
                if last {
                    return None;
                }
                tokio::time::sleep(FOLLOW_PAUSE).await;
            }
        }
        None
    }

    /// Reads a chunk and renders its whole lines; false when nothing new is there.
    fn fill(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let Some(file) = self.files.front_mut() else { return self.successor() };
        let before = self.rest.len();
        self.rest.resize(before + CHUNK_BYTES, 0);
        let result = file.read(&mut self.rest[before..]);
        self.rest.truncate(before + *result.as_ref().unwrap_or(&0));
        if result? == 0 {
            if self.files.len() > 1 {
                self.files.pop_front();
                return Ok(true);
            }
            return self.successor();
        }
        let rest = std::mem::take(&mut self.rest);
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => self.render(line, out),
                None => self.rest = line.to_vec(),
            }
        }
        Ok(true)
    }

    /// The file after the one we hold, which is at its end. Rotation has renamed ours; if it is gone altogether, the
    /// oldest that is left comes next.
    fn successor(&mut self) -> io::Result<bool> {
        if !self.options.follow {
            return Ok(false);
        }
        let mut newer = None;
        for n in 0..MOST_FILES {
            let file = match File::open(rotated(&self.path, n)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                other => other?,
            };
            let inode = file.metadata()?.ino();
            if inode == self.inode {
                break;
            }
            newer = Some((file, inode));
        }
        let Some((file, inode)) = newer else { return Ok(false) };
        self.inode = inode;
        self.files.push_back(file);
        Ok(true)
    }

    /// One CRI record as text; one that is not CRI is passed over.
    fn render(&mut self, record: &[u8], out: &mut Vec<u8>) {
        let mut fields = record.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(stream), Some(tag)) = (fields.next(), fields.next(), fields.next()) else { return };
        let text = fields.next().unwrap_or_default();
        let skip = match stream {
            b"stdout" => self.options.skip_stdout,
            b"stderr" => self.options.skip_stderr,
            _ => true,
        };
        if skip || self.options.since.is_some_and(|since| parse(time).is_none_or(|time| time < since)) {
            return;
        }
        if self.options.timestamps && !self.midline {
            out.extend_from_slice(time);
            out.push(b' ');
        }
        out.extend_from_slice(text);
        self.midline = tag.starts_with(b"P");
        if !self.midline {
            out.push(b'\n');
        }
    }
}

fn parse(time: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(time).ok()?.parse().ok()
}

/// Drops files and moves into the one where the last `tail` records begin. Partial records count as lines, as they do
/// in the kubelet.
fn skip_to_tail(files: &mut VecDeque<File>, tail: u64) -> io::Result<()> {
    let mut wanted = tail;
    for index in (0..files.len()).rev() {
        let file = &mut files[index];
        let start = tail_start(file, &mut wanted)?;
        if wanted == 0 {
            file.seek(SeekFrom::Start(start))?;
            files.drain(..index);
            return Ok(());
        }
    }
    Ok(())
}

/// Where the last `wanted` lines of `file` begin; takes the lines found from `wanted`, 0 when all were found here.
fn tail_start(file: &mut File, wanted: &mut u64) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    if *wanted == 0 {
        return Ok(end);
    }
    let (mut position, mut chunk, mut newlines) = (end, vec![0; CHUNK_BYTES], 0);
    while position > 0 {
        let length = position.min(CHUNK_BYTES as u64);
        position -= length;
        file.seek(SeekFrom::Start(position))?;
        let chunk = &mut chunk[..length as usize];
        file.read_exact(chunk)?;
        for (offset, _) in chunk.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            newlines += 1;
            // The newline before the first wanted line ends the line before it.
            if newlines > *wanted {
                *wanted = 0;
                return Ok(position + offset as u64 + 1);
            }
        }
    }
    file.rewind()?;
    *wanted -= newlines;
    Ok(0)
}
