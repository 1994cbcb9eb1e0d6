//! `podium shim-helper FD`: one libcontainer call in a process of its own.
//!
//! libcontainer changes directory, forks with a raw clone3 and writes its caller's oom_score_adj, so neither agent nor
//! shim may call it. The helper is short-lived; the container's init becomes a child of the shim (`as_sibling`).

mod capabilities;
mod devices;
mod executor;
mod facts;
mod join;
mod spec;

use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::{LinuxSeccomp, Spec};
use libcontainer::syscall::syscall::SyscallType;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

pub(crate) use facts::PodFacts;

use crate::config::{ContainerConfig, ExecConfig};
use crate::error::{Context, Error, Result};
use crate::rooted::Rooted;
use crate::wire::{Call, Outcome, receive_frame, send_frame};

use executor::Program;

/// Below the bundle: libcontainer's own state.
const STATE: &str = "state";
/// Below the bundle: where a terminal's master side arrives.
const CONSOLE: &str = "console.sock";

/// What could not be done: making the container or starting the program.
struct Failure {
    start: bool,
    message: String,
}

impl Failure {
    fn start(message: String) -> Failure {
        Failure { start: true, message }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { start: false, message: error.to_string() }
    }
}

/// The process' whole life. `socket` is the descriptor number given on the command line.
pub(crate) fn main(socket: RawFd) -> ExitCode {
    reset_signals();
    // SAFETY: the shim hands this descriptor to this process only, and nothing else has taken it yet.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(socket) });
    let outcome = serve(&socket);
    let (outcome, terminal) = match outcome {
        Ok((pid, terminal)) => (Outcome::Running { pid }, terminal),
        Err(Failure { start, message }) => (Outcome::Failed { start, message }, None),
    };
    let fds: Vec<_> = terminal.iter().map(|fd| fd.as_fd()).collect();
    match send_frame(std::os::fd::AsRawFd::as_raw_fd(&socket), &outcome, &fds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(socket: &UnixStream) -> Result<(i32, Option<OwnedFd>), Failure> {
    let socket = std::os::fd::AsRawFd::as_raw_fd(socket);
    let (call, _) = receive_frame::<Call>(socket).context(|| "read the shim's request".to_owned())?;
    // No descriptor of ours may reach the container.
    nix::fcntl::fcntl(
        // SAFETY: open for as long as this function runs.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) },
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )
    .context(|| "set close-on-exec".to_owned())?;
    match call {
        Call::Run { bundle, pod, config } => run(&bundle, &pod, &config),
        Call::Exec { bundle, id, config } => exec(&bundle, &id, &config),
    }
}

fn run(bundle: &Path, pod: &PodFacts, config: &ContainerConfig) -> Result<(i32, Option<OwnedFd>), Failure> {
    make_working_directory(config)?;
    let seccomp = crate::seccomp::load(config)?;
    let spec = spec::build(pod, config, seccomp.as_ref())?;
    let path = bundle.join("config.json");
    fs::write(&path, serde_json::to_vec(&spec).map_err(io::Error::from).at("encode", &path)?).at("write", &path)?;
    own_stdio(config.user.uid, config.user.gid, pod.users.as_ref().map_or(0, |(_, base)| *base));
    let (program, failure) = Program::new(None)?;
    let console = config.tty.then(|| Console::listen(bundle)).transpose()?;
    let builder = ContainerBuilder::new(config.id.clone(), SyscallType::default())
        .with_root_path(bundle.join(STATE))
        .map_err(create_failed)?
        .with_console_socket(console.as_ref().map(|_| bundle.join(CONSOLE)))
        .with_executor(program);
    let built = builder.as_init(bundle).with_systemd(false).with_detach(true).as_sibling(true).build();
    let mut container: Container = match built {
        Ok(container) => container,
        // libcontainer looks for the program while it creates.
        Err(error) => return Err(failure.wait().map_or_else(|| create_failed(error), Failure::start)),
    };
    let pid = container.pid().map_or(0, |pid| pid.as_raw());
    let terminal = console.map(Console::accept).transpose()?;
    let started = container.start().map_err(create_failed);
    match failure.wait() {
        Some(message) => Err(Failure::start(message)),
        None => started.map(|()| (pid, terminal)),
    }
}

fn exec(bundle: &Path, id: &str, config: &ExecConfig) -> Result<(i32, Option<OwnedFd>), Failure> {
    let path = bundle.join("config.json");
    let bytes = fs::read(&path).at("read", &path)?;
    let spec: Spec = serde_json::from_slice(&bytes).map_err(io::Error::from).at("decode", &path)?;
    let process = spec::exec_process(&spec, config)?;
    let user = process.user();
    let maps = spec.linux().as_ref().and_then(|linux| linux.uid_mappings().as_ref());
    own_stdio(user.uid(), user.gid(), maps.and_then(|maps| maps.first()).map_or(0, |map| map.host_id()));
    let seccomp: Option<LinuxSeccomp> = spec.linux().as_ref().and_then(|linux| linux.seccomp().clone());
    let (program, failure) = Program::new(seccomp)?;
    if maps.is_some_and(|maps| !maps.is_empty()) {
        let (pid, terminal, failure) = join::exec(bundle, &spec, &process, (program, failure))?;
        return failure.wait().map_or(Ok((pid, terminal)), |message| Err(Failure::start(message)));
    }
    // One directory per exec: concurrent ones share nothing.
    let scratch = tempfile::Builder::new().prefix("exec-").tempdir_in(bundle).at("create directory in", bundle)?;
    let process_file = scratch.path().join("process.json");
    let bytes = serde_json::to_vec(&process).map_err(io::Error::from).at("encode", &process_file)?;
    fs::write(&process_file, bytes).at("write", &process_file)?;
    let console = config.tty.then(|| Console::listen(scratch.path())).transpose()?;
    let result = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(bundle.join(STATE))
        .map_err(create_failed)?
        .with_console_socket(console.as_ref().map(|_| scratch.path().join(CONSOLE)))
        .with_executor(program)
        .as_tenant()
        .with_process(Some(&process_file))
        .with_detach(true)
        .as_sibling(true)
        .build();
    let message = failure.wait();
    let pid = match (result, message) {
        (_, Some(message)) => return Err(Failure::start(message)),
        (Ok(pid), None) => pid.as_raw(),
        (Err(error), None) => return Err(create_failed(error)),
    };
    Ok((pid, console.map(Console::accept).transpose()?))
}

/// The whole chain of causes on one line, innermost last.
fn create_failed(error: impl std::error::Error) -> Failure {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    Failure { start: false, message }
}

/// libcontainer wants the working directory to exist; images often do not have it.
fn make_working_directory(config: &ContainerConfig) -> Result<()> {
    let rooted = Rooted::open(&config.rootfs).at("open", &config.rootfs)?;
    let cwd = Path::new(if config.cwd.is_empty() { "/" } else { &config.cwd });
    rooted.directory(cwd).at("create working directory", cwd).map(drop)
}

/// A user other than root may open /dev/stdout only when the pipe belongs to it.
/// `base` is the host's id of the container's root.
fn own_stdio(uid: u32, gid: u32, base: u32) {
    let (uid, gid) = (uid.saturating_add(base), gid.saturating_add(base));
    if uid == 0 {
        return;
    }
    for fd in [io::stdin().as_fd(), io::stdout().as_fd(), io::stderr().as_fd()] {
        let is_pipe = nix::sys::stat::fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO);
        if is_pipe {
            let _ = nix::unistd::fchown(fd, Some(uid.into()), Some(gid.into()));
        }
    }
}

/// What the shim blocks or ignores must not leak into containers.
fn reset_signals() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        // SAFETY: setting the default disposition runs no code of ours.
        let _ = unsafe { sigaction(signal, &default) };
    }
    let _ = SigSet::empty().thread_set_mask();
}

/// Where libcontainer sends the master side of a terminal it made in the container.
struct Console(UnixListener);

impl Console {
    /// Binds in `dir`; by a relative path, since `dir` may be longer than `sun_path`.
    fn listen(dir: &Path) -> Result<Console> {
        std::env::set_current_dir(dir).at("enter", dir)?;
        let _ = fs::remove_file(CONSOLE);
        Ok(Console(UnixListener::bind(CONSOLE).at("bind", &dir.join(CONSOLE))?))
    }

    /// The terminal; it was sent before libcontainer's call returned.
    fn accept(self) -> Result<OwnedFd> {
        self.0.set_nonblocking(true).context(|| "prepare the console socket".to_owned())?;
        let (stream, _) = self.0.accept().context(|| "receive the terminal".to_owned())?;
        let (mut bytes, mut fds) = (Vec::new(), Vec::new());
        crate::wire::receive(std::os::fd::AsRawFd::as_raw_fd(&stream), &mut bytes, &mut fds)
            .context(|| "receive the terminal".to_owned())?;
        fds.pop().ok_or_else(|| Error::Invalid("the container sent no terminal".to_owned()))
    }
}

/// A pipe that closes when the program starts, or says why it did not.
pub(crate) struct StartFailure(OwnedFd);

impl StartFailure {
    pub(crate) fn pipe() -> Result<(StartFailure, OwnedFd)> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).context(|| "create pipe".to_owned())?;
        Ok((StartFailure(read), write))
    }

    fn wait(self) -> Option<String> {
        let mut message = String::new();
        let _ = io::Read::read_to_string(&mut fs::File::from(self.0), &mut message);
        (!message.is_empty()).then_some(message)
    }
}
