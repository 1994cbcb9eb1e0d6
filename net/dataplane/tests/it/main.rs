//! The dataplane against a real kernel, each test in network namespaces of its own.

mod dns;
mod lab;
mod network;
mod objects;
mod proxy;
