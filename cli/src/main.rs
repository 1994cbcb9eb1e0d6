//! The `podium` binary: argument parsing and wiring, nothing else.
//!
//! Architecture invariant: no decision about the cluster is taken here. Each command is one
//! file; `up` is a small supervising parent of the real processes.

mod access;
mod agent;
mod args;
mod down;
mod explain;
mod image;
mod layout;
mod logging;
mod print;
mod server;
mod tree;
mod up;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before any thread, runtime or allocation-heavy start-up: a shim lives with every pod.
    if let Some(code) = podium_oci::dispatch(std::env::args_os()) {
        return code;
    }
    // Two providers are linked (the image client brings its own); all TLS here is ring's. It fails only if one
    // was installed before, which nothing does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Server(args) => server::run(args),
        Command::Agent(args) => agent::run(args),
        Command::Image(args) => image::run(args),
        Command::Tree(args) => tree::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "podium", &mut std::io::stdout());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podium: {error:#}");
            ExitCode::FAILURE
        }
    }
}
