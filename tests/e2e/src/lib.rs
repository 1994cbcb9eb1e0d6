//! End-to-end tests with real PostgreSQL, containers and clients.
