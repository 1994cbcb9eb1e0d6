//! Logs go to standard error; `up` sends them to files in the data directory.

use tracing_subscriber::EnvFilter;

/// Starts logging; `PODIUM_LOG` filters (`info` when absent).
pub fn start() {
    let filter = EnvFilter::try_from_env("PODIUM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
