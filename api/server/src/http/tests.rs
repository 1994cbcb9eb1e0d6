//! The server over real TLS on loopback.
