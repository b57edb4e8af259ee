//! A directory of this machine as the place of an archive: `*.partial` until a file is durable.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::storage::{Lock, NewFile, Storage};

/// A directory.
#[derive(Debug)]
pub struct LocalDir(PathBuf);

impl LocalDir {
    /// The archive in `dir`; nothing is made before something is written.
    pub fn at(dir: impl Into<PathBuf>) -> Arc<dyn Storage> {
        Arc::new(Self(dir.into()))
    }
}

/// A file that has no name yet.
struct Partial {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

impl Storage for LocalDir {
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let listed = match fs::read_dir(self.place(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let name = |item: fs::DirEntry| item.file_name().to_string_lossy().into_owned();
        listed.map(|item| item.map(name)).collect()
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(self.place(name))?;
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        Ok(Box::new(file))
    }

    fn write(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let path = self.place(name);
        path.parent().map_or(Ok(()), make_dir)?;
        let partial = partial_of(&path);
        Ok(Box::new(Partial { file: File::create(&partial)?, partial, path }))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.place(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // What was deleted must not come back by a crash.
            done => done.and_then(|()| path.parent().map_or(Ok(()), sync_dir)),
        }
    }

    fn lock(&self, name: &str, waits: bool) -> io::Result<Option<Lock>> {
        let path = self.place(name);
        path.parent().map_or(Ok(()), make_dir)?;
        // The system unlocks a file when it is closed, also by a crash.
        let file = File::options().create(true).append(true).open(&path)?;
        if waits {
            file.lock()?;
            return Ok(Some(Lock::of(file)));
        }
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock::of(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for Partial {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        self.path.parent().map_or(Ok(()), sync_dir)
    }
}

fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Makes a directory that survives a crash, and those above it.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_dir)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => above.map_or(Ok(()), sync_dir),
    }
}

/// Replaces a small file in one step.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(partial_of(path))?;
    file.write_all(bytes)?;
    Box::new(Partial { file, partial: partial_of(path), path: path.to_owned() }).finish()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}
