//! Faults of files: what was found, and what a person can do about it.

use std::io;
use std::path::Path;

use readmill_engine::Fault;

/// What to do about an archive that is not as it was written.
pub const COPY_AGAIN: &str =
    "copy the archive again from where it came from, or write a new one with `readmill archive`";

/// A file that is not what was written.
pub fn damaged(path: &Path, detail: impl Into<String>, hint: &'static str) -> Fault {
    Fault::Damaged { what: path.display().to_string(), detail: detail.into(), hint }
}

/// A file that cannot be read or written.
pub fn io(path: &Path, error: &io::Error) -> Fault {
    let kind = error.kind();
    let detail = format!("{}: {error}", path.display());
    let hint = if kind == io::ErrorKind::NotFound {
        return damaged(path, "it does not exist", COPY_AGAIN);
    } else if kind == io::ErrorKind::UnexpectedEof {
        return damaged(path, "it is cut off", COPY_AGAIN);
    } else if kind == io::ErrorKind::PermissionDenied {
        "give this user the right to read and write there"
    } else if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        "free some space on that disk"
    } else if kind == io::ErrorKind::ReadOnlyFilesystem {
        "name a directory on a disk that can be written"
    } else {
        "look at the disk and at the system's log"
    };
    Fault::Refused { service: "archive", detail, hint }
}
