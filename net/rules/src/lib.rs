//! Pure networking: IPAM, service and DNS rule sets.
