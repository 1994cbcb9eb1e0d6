//! Real containers, a real registry, the real kernel. Needs root and a static busybox; says so and passes otherwise.

// Helpers of tests may stop at the first surprise, as tests may (clippy.toml covers test functions only).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod containers;
mod fixture;
mod harm;
mod images;
mod shims;
mod streams;
mod users;

/// The test binary is its own shim and helper: dispatched before the harness reads the command line.
#[used]
#[unsafe(link_section = ".init_array")]
static DISPATCH: extern "C" fn() = {
    extern "C" fn dispatch() {
        if let Some(code) = podium_oci::dispatch(std::env::args_os()) {
            let failed = format!("{code:?}") != format!("{:?}", std::process::ExitCode::SUCCESS);
            std::process::exit(i32::from(failed));
        }
    }
    dispatch
};
