//! The actor kernel on actix: supervisors, guardians, mailboxes with fault points, introspection.
