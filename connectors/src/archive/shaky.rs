//! A place that dies after so many steps, as a machine does, or fails once, as a full disk does.

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
    steps: Steps,
}

struct ShakyFile {
    inner: Option<Box<dyn NewFile>>,
    steps: Steps,
}

/// How many steps are left, and whether what comes after the fault succeeds again.
#[derive(Debug, Clone)]
struct Steps {
    left: Arc<AtomicI64>,
    recovers: bool,
}

impl Shaky {
    /// A place that dies after so many steps.
    pub fn at(dir: &Path, steps: i64) -> Arc<dyn Storage> {
        Self::with(dir, steps, false)
    }

    /// A place where one step fails after so many.
    pub fn once(dir: &Path, steps: i64) -> Arc<dyn Storage> {
        Self::with(dir, steps, true)
    }

    fn with(dir: &Path, steps: i64, recovers: bool) -> Arc<dyn Storage> {
        let steps = Steps { left: Arc::new(steps.into()), recovers };
        Arc::new(Self { inner: LocalDir::at(dir), steps })
    }
}

impl Steps {
    fn take(&self) -> io::Result<()> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        let fails = if self.recovers { left == 0 } else { left <= 0 };
        if fails { Err(io::Error::other("the place fails")) } else { Ok(()) }
    }
}

impl Storage for Shaky {
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.steps.take()?;
        self.inner.list(dir)
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>> {
        self.steps.take()?;
        self.inner.read(name, from)
    }

    fn write(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        self.steps.take()?;
        let (inner, steps) = (Some(self.inner.write(name)?), self.steps.clone());
        Ok(Box::new(ShakyFile { inner, steps }))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.steps.take()?;
        self.inner.delete(name)
    }

    fn lock(&self, name: &str, waits: bool) -> io::Result<Option<Lock>> {
        self.steps.take()?;
        self.inner.lock(name, waits)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.inner.place(name)
    }
}

impl Write for ShakyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = self.inner.as_mut().unwrap();
        if let Err(error) = self.steps.take() {
            // A part of it is there.
            inner.write_all(bytes.get(..bytes.len() / 2).unwrap())?;
            return Err(error);
        }
        inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for ShakyFile {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.steps.take()?;
        self.inner.take().unwrap().finish()
    }
}
