//! Images, libcontainer, the per-pod shim, cgroups, logs.
