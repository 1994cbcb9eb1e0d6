//! What a panic said, and where: kept for the actor's guardian to report.

use std::{backtrace::Backtrace, cell::RefCell, panic, sync::Once};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Longest panic report kept, in bytes.
const MAX_REPORT: usize = 16 * 1024;

/// Installs, once per process, a panic hook that remembers message and backtrace per thread and
/// logs one line instead of writing to standard error.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let mut report = format!("{info}\n{}", Backtrace::force_capture());
            let mut end = report.len().min(MAX_REPORT);
            while !report.is_char_boundary(end) {
                end -= 1;
            }
            report.truncate(end);
            tracing::error!(panic = %info, "panicked");
            LAST.with(|last| *last.borrow_mut() = Some(report));
        }));
    });
}

/// The report of this thread's last panic, given out once.
pub fn take() -> Option<String> {
    LAST.with(|last| last.borrow_mut().take())
}
