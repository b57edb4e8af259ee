//! A place that dies after so many steps, as a machine does: what it has done stays.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::LocalDir;
use super::storage::{Lock, NewFile, Storage};

/// A directory that can be used for so many steps.
#[derive(Debug)]
pub struct Shaky {
    inner: Arc<dyn Storage>,
    left: Arc<AtomicI64>,
}

struct ShakyFile {
    inner: Option<Box<dyn NewFile>>,
    left: Arc<AtomicI64>,
}

impl Shaky {
    pub fn at(dir: &Path, steps: i64) -> Arc<dyn Storage> {
        Arc::new(Self { inner: LocalDir::at(dir), left: Arc::new(steps.into()) })
    }
}

fn step(left: &AtomicI64) -> io::Result<()> {
    let alive = left.fetch_sub(1, Ordering::SeqCst) > 0;
    if alive { Ok(()) } else { Err(io::Error::other("the machine is dead")) }
}

impl Storage for Shaky {
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        step(&self.left)?;
        self.inner.list(dir)
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>> {
        step(&self.left)?;
        self.inner.read(name, from)
    }

    fn write(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        step(&self.left)?;
        let (inner, left) = (Some(self.inner.write(name)?), Arc::clone(&self.left));
        Ok(Box::new(ShakyFile { inner, left }))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        step(&self.left)?;
        self.inner.delete(name)
    }

    fn lock(&self, name: &str, waits: bool) -> io::Result<Option<Lock>> {
        step(&self.left)?;
        self.inner.lock(name, waits)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.inner.place(name)
    }
}

impl Write for ShakyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        step(&self.left)?;
        self.inner.as_mut().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for ShakyFile {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        step(&self.left)?;
        self.inner.take().unwrap().finish()
    }
}
