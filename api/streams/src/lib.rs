//! SPDY/3.1 on the wire: what clients of exec, attach and port-forward speak that know no WebSocket, and what newer
//! ones put into a WebSocket to forward ports (KEP-4006).
//!
//! Server and agent share it. Deliberately absent: server push, priorities, flow control (the peers do none), settings.

mod dictionary;
pub mod frame;
mod headers;

pub use frame::Frame;
pub use headers::Codec;
