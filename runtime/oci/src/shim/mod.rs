//! `podium shim`: one small process per pod that owns its namespaces and its containers.
//!
//! It is a child subreaper with a signalfd and poll(2), one thread and no async runtime: below 1 MB of private memory.
//! Agent and control plane may die; the shim keeps waiting for its containers, writes their logs and exit codes to
//! disk, and answers whoever connects next. Nothing a client sends may end it.
//!
//! Deliberately absent: restart policy, probes, images and network. Those are the agent's.

mod container;
mod exit;
mod pod;
mod record;
mod requests;
mod run;
mod server;
mod users;

use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) use record::{RECORD, is_alive};
pub use record::{cleanup, user_namespace};
pub use users::unpin;

/// First word on the command line of a shim.
pub(crate) const SHIM: &str = "shim";
/// First word on the command line of a helper.
pub(crate) const HELPER: &str = "shim-helper";
/// What a shim prints once it answers on its socket.
pub(crate) const READY: &str = "ready";

/// Runs this process as a shim or helper if its command line says so. Call it first in `main`, before any thread or
/// runtime starts: both fork, and both should stay small.
///
/// `args` is the process' whole command line, as [`std::env::args_os`] gives it.
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let word = args.next()?;
    if word == SHIM {
        return Some(shim_main());
    }
    if word == HELPER {
        let socket = args.next().and_then(|text| text.to_str()?.parse().ok()).filter(|fd| *fd > 2);
        return Some(socket.map_or(ExitCode::FAILURE, crate::helper::main));
    }
    None
}

/// A shim's whole life. Its pod comes as JSON on stdin; [`READY`] or a reason goes to stdout.
pub fn shim_main() -> ExitCode {
    match pod::Pod::enter() {
        Ok(Some(pod)) => server::Server::new(pod).serve(),
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
