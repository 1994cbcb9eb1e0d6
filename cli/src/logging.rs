//! Logs go to standard error; `up` sends them to files in the data directory.
//!
//! kube's client tells of every failed request as an error, also of those that are expected and tried again; whoever
//! asked says what matters of it.

use tracing_subscriber::EnvFilter;

/// What is logged unless `PODIUM_LOG` says otherwise.
const USUAL: &str = "info,kube_client::client::builder=off";

/// Starts logging; `PODIUM_LOG` filters.
pub fn start() {
    let filter = EnvFilter::try_from_env("PODIUM_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
