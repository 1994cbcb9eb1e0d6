//! Starts the container's program, and tells the helper when that fails.
//!
//! libcontainer's own executor wants the world-executable bit, falls back to a shell for unknown formats and leaves a
//! failed start to be guessed from an exit code; its exec path drops seccomp. This one asks the kernel, reports over a
//! close-on-exec pipe and loads the filter for exec.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libcontainer::oci_spec::runtime::{LinuxSeccomp, Spec};
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use nix::errno::Errno;

use super::StartFailure;
use crate::error::Result;

/// Search path when the container sets none.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Clone)]
pub(super) struct Program {
    failure: Arc<OwnedFd>,
    seccomp: Option<LinuxSeccomp>,
}

impl Program {
    /// `seccomp` only where libcontainer does not load it itself: exec.
    pub fn new(seccomp: Option<LinuxSeccomp>) -> Result<(Program, StartFailure)> {
        let (read, write) = StartFailure::pipe()?;
        Ok((Program { failure: Arc::new(write), seccomp }, read))
    }

    /// Why the program cannot start, for the helper.
    pub fn tell(&self, message: &str) {
        let _ = nix::unistd::write(self.failure.as_fd(), message.as_bytes());
    }

    pub fn start(&self, spec: &Spec) -> Result<std::convert::Infallible, String> {
        let (path, args) = find(spec)?;
        let path = c_string(path.as_os_str().as_encoded_bytes())?;
        let args = args.iter().map(|arg| c_string(arg.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        if let Some(seccomp) = &self.seccomp {
            // Capabilities are gone by now, so the kernel accepts a filter only together with no_new_privs.
            nix::sys::prctl::set_no_new_privs().map_err(|error| format!("set no_new_privs: {error}"))?;
            libcontainer::seccomp::initialize_seccomp(seccomp).map_err(|error| format!("load seccomp: {error}"))?;
        }
        nix::unistd::execv(&path, &args).map_err(|error| format!("exec {path:?}: {}", describe(error)))
    }
}

impl Executor for Program {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let Err(message) = self.start(spec);
        self.tell(&message);
        Err(ExecutorError::Other(message))
    }

    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        find(spec).map(drop).map_err(|message| {
            self.tell(&message);
            ExecutorValidationError::ArgValidationError(message)
        })
    }
}

/// The program's path and all arguments, by the container's PATH; runs inside the container as its user.
fn find(spec: &Spec) -> Result<(PathBuf, &[String]), String> {
    let process = spec.process().as_ref().ok_or("no process")?;
    let args = process.args().as_deref().unwrap_or_default();
    let name = args.first().filter(|name| !name.is_empty()).ok_or("no command specified")?;
    if name.contains('/') {
        return executable(Path::new(name)).map(|()| (name.into(), args)).map_err(|error| {
            format!(
                "exec: {name:?}: {}",
                if error == Errno::ENOENT { "stat: no such file or directory" } else { describe(error) }
            )
        });
    }
    let env = process.env().as_deref().unwrap_or_default();
    let search = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let mut worst = Errno::ENOENT;
    for dir in search.split(':') {
        let path = Path::new(if dir.is_empty() { "." } else { dir }).join(name);
        match executable(&path) {
            Ok(()) => return Ok((path, args)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => worst = error,
        }
    }
    match worst {
        Errno::ENOENT => Err(format!("exec: {name:?}: executable file not found in $PATH")),
        error => Err(format!("exec: {name:?}: {}", describe(error))),
    }
}

fn executable(path: &Path) -> Result<(), Errno> {
    use nix::unistd::AccessFlags;
    let flags = nix::fcntl::AtFlags::AT_EACCESS;
    nix::unistd::faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, flags)?;
    if path.is_dir() { Err(Errno::EISDIR) } else { Ok(()) }
}

/// As Go's runtimes say it; tools match on these words.
fn describe(error: Errno) -> &'static str {
    match error {
        Errno::ENOENT => "no such file or directory",
        Errno::EACCES => "permission denied",
        Errno::ENOEXEC => "exec format error",
        Errno::EISDIR => "is a directory",
        other => other.desc(),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, String> {
    CString::new(bytes).map_err(|_| "argument contains a NUL byte".to_owned())
}
