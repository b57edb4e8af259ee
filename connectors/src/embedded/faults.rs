//! What an error of the storage engine means for the process.

use std::io::{self, ErrorKind};
use std::path::Path;

use readmill_engine::Fault;

/// The name under which the store appears in errors.
pub const SERVICE: &str = "embedded store";

const RESTORE: &str = "stop, keep a copy of the directory, and rebuild the read models into a new \
                       one";

/// A refusal in the store's name.
pub fn refused(detail: impl Into<String>, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail: detail.into(), hint }
}

/// A local disk does not heal by asking again: every error stops the process with a remedy.
pub fn of_store(directory: &Path, error: &fjall::Error) -> Fault {
    use fjall::Error;
    let place = directory.display();
    if let Error::Io(error) | Error::Storage(fjall::LsmError::Io(error)) = error {
        return of_io(directory, error);
    }
    if matches!(error, Error::Locked) {
        return refused(
            format!("{place} is in use by another process"),
            "ask the running instance over HTTP, or stop it first",
        );
    }
    if matches!(error, Error::Poisoned) {
        return refused(
            format!("an earlier write to {place} failed, so no further ones are taken"),
            "look for a full or failing disk, then start again: nothing acknowledged is lost",
        );
    }
    Fault::Damaged { what: place.to_string(), detail: error.to_string(), hint: RESTORE }
}

/// Tells the errors of a file system apart by what a person can do about them.
pub fn of_io(directory: &Path, error: &io::Error) -> Fault {
    let place = directory.display();
    let kind = error.kind();
    let hint = if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        "free space or move the directory to a larger disk, then start again"
    } else if kind == ErrorKind::ReadOnlyFilesystem {
        "mount the file system for writing, or name another directory"
    } else if kind == ErrorKind::PermissionDenied {
        "give the user that runs this process the right to write there"
    } else if matches!(kind, ErrorKind::NotADirectory | ErrorKind::AlreadyExists) {
        "name a directory, not a file"
    } else if kind == ErrorKind::NotFound {
        "the store's files must not be moved or removed while it runs"
    } else {
        "look for a failing disk, then start again: nothing acknowledged is lost"
    };
    refused(format!("{place}: {error}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn hints(kind: ErrorKind, hint: &str) {
        let error = fjall::Error::Io(io::Error::from(kind));
        let text = of_store(Path::new("/data"), &error).to_string();
        assert!(text.starts_with("embedded store refused: /data: "), "{text}");
        assert!(text.contains(hint), "{text}");
    }

    #[test]
    fn every_known_trouble_of_a_disk_has_its_own_remedy() {
        hints(ErrorKind::StorageFull, "free space");
        hints(ErrorKind::ReadOnlyFilesystem, "mount");
        hints(ErrorKind::PermissionDenied, "right to write");
        hints(ErrorKind::NotADirectory, "not a file");
        hints(ErrorKind::TimedOut, "failing disk");
    }

    #[test]
    fn a_directory_in_use_points_to_the_running_instance() {
        let text = of_store(Path::new("/data"), &fjall::Error::Locked).to_string();
        assert!(text.contains("/data is in use") && text.contains("over HTTP"), "{text}");
    }
}
