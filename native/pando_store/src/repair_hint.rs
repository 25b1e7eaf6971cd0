//! What an operator can do about a directory that is not as it was written; the end of every message about one.

/// See the module.
pub const REPAIR_HINT: &str = "Restore the directory from a backup, or, in a cluster, let this member come back as a new one: \
                               move the directory away and start it empty. Do not delete single files";
