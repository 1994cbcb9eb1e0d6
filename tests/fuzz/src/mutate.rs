//! Damage as a fuzzer does it: bits, cuts, repeats, splices, and words that readers trip over.

use proptest::{collection::vec, prelude::*, sample::Index};

/// Longest input, in bytes; repeats stop there.
pub const SIZE_LIMIT: usize = 64 * 1024;
/// Most changes of one input.
const CHANGES: usize = 12;

/// What readers trip over.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xf0\x9f\x92\xa5",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\ud800",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"-0",
    b"1e999",
    b"-1e400",
    b"9223372036854775808",
    b"18446744073709551616",
    b"0.1",
    b"{\"\":{}}",
    b"[[[[[[[[",
    b"&a",
    b"*a",
    b"!!",
    b"<<: *a",
    b"- ",
    b"---\n",
    b"\n\t",
    b"|",
    b">",
    b"? ",
    b"~",
    b"/",
    b"~0~1",
    b"$patch",
    b"delete",
    b"replace",
    b"$setElementOrder/containers",
    b"$retainKeys",
    b"f:",
    b"k:{}",
    b"v:\"\"",
    b"i:-1",
    b".",
    b"=",
    b"!=",
    b" in (",
    b"notin",
    b"()",
    b"*/0",
    b"1-0",
    b"60",
    b"@every",
    b"Ki",
    b"E",
    b"e-400",
    b"\x80\0\0\x01",
    b"\xff\xff\xff\x7f",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
];

#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index, usize),
    Word(Index, &'static [u8]),
    Noise(Index, Vec<u8>),
    Truncate(Index),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        1 => (at(), any::<u8>()).prop_map(|(a, b)| Change::Set(a, b)),
        1 => (at(), 0..8u8).prop_map(|(a, b)| Change::Flip(a, b)),
        1 => (at(), at()).prop_map(|(a, b)| Change::Cut(a, b)),
        1 => (at(), at(), 1..200usize).prop_map(|(a, b, n)| Change::Repeat(a, b, n)),
        4 => (at(), proptest::sample::select(WORDS)).prop_map(|(a, w)| Change::Word(a, w)),
        1 => (at(), vec(any::<u8>(), 0..16)).prop_map(|(a, n)| Change::Noise(a, n)),
        1 => at().prop_map(Change::Truncate),
        1 => (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

/// One of `seeds`, damaged; sometimes not at all.
pub fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let seed = proptest::sample::select(seeds);
    (seed, vec(change(), 0..CHANGES)).prop_map(|(seed, changes)| changes.iter().fold(seed, apply))
}

/// The same as text.
pub fn damaged_text(seeds: &[&str]) -> impl Strategy<Value = String> {
    let seeds = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    damaged(seeds).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn apply(mut bytes: Vec<u8>, change: &Change) -> Vec<u8> {
    let place = |at: &Index| at.index(bytes.len() + 1);
    let range = |a: &Index, b: &Index| (place(a).min(place(b)), place(a).max(place(b)));
    match change {
        Change::Set(at, to) => {
            let at = place(at);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = *to);
        }
        Change::Flip(at, bit) => {
            let at = place(at);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
        }
        Change::Cut(a, b) => {
            let (from, to) = range(a, b);
            bytes.drain(from..to);
        }
        Change::Repeat(a, b, times) => {
            let (from, to) = range(a, b);
            let part = bytes[from..to].repeat(*times);
            bytes.splice(to..to, part);
        }
        Change::Word(at, word) => {
            let at = place(at);
            bytes.splice(at..at, word.iter().copied());
        }
        Change::Noise(at, noise) => {
            let at = place(at);
            bytes.splice(at..at, noise.iter().copied());
        }
        Change::Truncate(at) => bytes.truncate(place(at)),
        Change::Swap(a, b) => {
            let (from, to) = range(a, b);
            if to < bytes.len() {
                bytes.swap(from, to);
            }
        }
    }
    bytes.truncate(SIZE_LIMIT);
    bytes
}
