//! The benchmarks that the performance claims rest on.
