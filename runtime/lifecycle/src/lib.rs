//! Pure pod and container state machines, probes, back-off, QoS, resource arithmetic.
