//! A scan that is read in batches, and stands still while a batch is dealt with.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures::future::BoxFuture;

use crate::fault::Fault;

/// What a scan finds, shared with the closure that it visits.
#[derive(Debug)]
pub struct Found<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Found<T> {
    /// Adds something.
    pub fn push(&self, found: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(found);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self) -> Vec<T> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running scan.
pub struct Scan<'s, T> {
    found: Found<T>,
    running: Option<BoxFuture<'s, Result<(), Fault>>>,
}

impl<T> fmt::Debug for Scan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("is_running", &self.running.is_some()).finish_non_exhaustive()
    }
}

impl<'s, T> Scan<'s, T> {
    /// Begins a scan that pushes what it finds.
    pub fn begin(start: impl FnOnce(Found<T>) -> BoxFuture<'s, Result<(), Fault>>) -> Self {
        let found = Found(Arc::default());
        Self { found: found.clone(), running: Some(start(found)) }
    }

    /// At least `least` more, but at the end; nothing at all then. The scan goes no further than
    /// it must: what is in memory is `least` and what it finds at one go.
    pub async fn next(&mut self, least: usize) -> Result<Vec<T>, Fault> {
        while let Some(running) = &mut self.running {
            let found = &self.found;
            let ended = std::future::poll_fn(|context| match running.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if found.len() >= least => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match ended.await {
                Some(ended) => {
                    self.running = None;
                    ended?;
                }
                None => break,
            }
        }
        Ok(self.found.take())
    }
}
