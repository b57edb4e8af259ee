//! The port behind which an archive lies: a directory of this machine, or a store of objects.

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// What an archive needs of the place where it lies. Names are relative, with slashes between
/// their parts. Nothing is ever changed in place: a name stands for nothing, or for a whole file.
pub trait Storage: Debug + Send + Sync {
    /// The names of what lies right under a directory; none where there is no such directory.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// The bytes of a file, from a place in it on.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read.
    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>>;

    /// A file that is about to be written, and takes its name when it is finished.
    ///
    /// # Errors
    /// When the place cannot be written.
    fn write(&self, name: &str) -> io::Result<Box<dyn NewFile>>;

    /// Deletes a file; one that is not there is no error.
    ///
    /// # Errors
    /// When it stands there still.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Keeps others out until the lock is dropped or its owner is dead. Where another has it, it is
    /// waited for, or none is given.
    ///
    /// # Errors
    /// When the place knows no locks, or cannot be written.
    fn lock(&self, name: &str, waits: bool) -> io::Result<Option<Lock>>;

    /// What a person calls the place of a name; the empty name is the archive's own.
    fn place(&self, name: &str) -> PathBuf;
}

/// A lock, which ends when it is dropped.
#[derive(Debug)]
pub struct Lock {
    _held: Box<dyn Debug + Send + Sync>,
}

impl Lock {
    /// A lock that lasts as long as this.
    pub fn of(held: impl Debug + Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// A file while it is written. Dropped before its end, it never was.
pub trait NewFile: Write + Send {
    /// Gives the file its name, once every byte is where it survives a crash. What had that name
    /// before is replaced in the same step.
    ///
    /// # Errors
    /// When that cannot be had; then the name stands for what it stood for before.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Writes a small file in one step.
pub fn put(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = storage.write(name)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Reads a small file; none where there is none.
pub fn get(storage: &dyn Storage, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match storage.read(name, 0) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(mut file) => file.read_to_end(&mut bytes).map(|_| Some(bytes)),
    }
}
