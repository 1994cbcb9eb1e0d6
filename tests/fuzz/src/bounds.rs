//! How long a reader may take and how much memory it may ask for.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::{Duration, Instant},
};

/// Longest time for one input; a hang, not a slow machine.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Most memory that one input may have at a time, in bytes, beside [`SHARE`].
const BASE: usize = 8 << 20;
/// The same, per byte of the input.
const SHARE: usize = 4096;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which also counts what each thread has.
pub struct Counted;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(more: usize, less: usize) {
    let _ = HELD.try_with(|held| {
        // What another thread gave may be freed here.
        held.set(held.get().saturating_add(more).saturating_sub(less));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

/// Runs `read` on an input of `size` bytes within the bounds.
pub fn held<T>(size: usize, read: impl FnOnce() -> T) -> T {
    let before = HELD.get();
    PEAK.set(before);
    let start = Instant::now();
    let done = read();
    let (took, most) = (start.elapsed(), PEAK.get().saturating_sub(before));
    assert!(took < TIME_LIMIT, "{size} bytes took {took:?}");
    assert!(most < BASE + SHARE * size, "{size} bytes took {most} bytes of memory");
    done
}

#[test]
#[should_panic(expected = "bytes of memory")]
fn too_much_memory_is_noticed() {
    held(1, || drop(std::hint::black_box(Vec::<u8>::with_capacity(BASE * 2))));
}
