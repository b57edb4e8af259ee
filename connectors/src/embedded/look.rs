//! A look at a directory from outside: how much room its disk has, and who may read what is there.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What a directory is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryLook {
    /// The directory, or the nearest one above it that is there.
    pub directory: PathBuf,
    /// How many bytes of its disk are free for us, and how many there are.
    pub disk: (u64, u64),
    /// Whether others than its owner and group may look into it.
    pub is_open: bool,
}

/// Looks at a directory, which need not be there yet; it is not opened as a store.
///
/// # Errors
/// When it may not be looked at.
pub fn look(directory: &Path) -> io::Result<DirectoryLook> {
    let wanted = std::path::absolute(directory)?;
    let mut at = wanted.clone();
    while !at.try_exists()? && at.pop() {}
    let disk = rustix::fs::statvfs(&at)?;
    let is_open = std::fs::metadata(&at)?.permissions().mode() & 0o005 != 0 && at == wanted;
    let room = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    Ok(DirectoryLook { directory: at, disk: room, is_open })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};

    use super::*;

    #[test]
    fn a_directory_tells_of_its_disk_and_of_who_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        let above = look(&store).unwrap();
        assert!(above.directory == dir.path() && !above.is_open, "{above:?}");
        assert!(above.disk.0 > 0 && above.disk.0 <= above.disk.1, "{above:?}");
        create_dir(&store).unwrap();
        set_permissions(&store, Permissions::from_mode(0o755)).unwrap();
        assert!(look(&store).unwrap().is_open);
        set_permissions(&store, Permissions::from_mode(0o750)).unwrap();
        assert!(!look(&store).unwrap().is_open);
    }
}
