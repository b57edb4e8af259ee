//! Serde's walk over a record that is written in the contract's order: one value after another.
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, SeqAccess};

use super::access::Fields;
use super::error::ReadError;
use super::node::{NodeId, Step};

/// The fields of a record that is written in the contract's order: no key needs to be told.
pub(super) struct InOrder<'p, 'c, 'de> {
    fields: Fields<'p, 'c, 'de>,
    index: usize,
}

impl<'p, 'c, 'de> InOrder<'p, 'c, 'de> {
    #[inline]
    pub(super) fn new(fields: Fields<'p, 'c, 'de>) -> Self {
        Self { fields, index: 0 }
    }

    #[inline]
    pub(super) fn finish(self) -> Result<(), ReadError> {
        self.fields.finish()
    }

    /// The node of the field at a place, if it is on the wire.
    #[inline(always)]
    fn node(&mut self, index: usize) -> Result<Option<NodeId>, ReadError> {
        match self.fields.record.steps.get(self.fields.step) {
            Some(Step::Read { index: at, node }) if *at == index => {
                self.fields.step += 1;
                Ok(Some(*node))
            }
            Some(Step::Read { .. }) | None => Ok(None),
            Some(Step::Skip { .. }) => self.node_beyond(index),
        }
    }

    /// The same behind fields that are skipped.
    #[inline(never)]
    fn node_beyond(&mut self, index: usize) -> Result<Option<NodeId>, ReadError> {
        let fields = &mut self.fields;
        while let Some(step @ Step::Skip { .. }) = fields.record.steps.get(fields.step) {
            fields.arena.skip_step(fields.record, step, fields.body)?;
            fields.step += 1;
        }
        match fields.record.steps.get(fields.step) {
            Some(Step::Read { index: at, node }) if *at == index => {
                fields.step += 1;
                Ok(Some(*node))
            }
            Some(_) | None => Ok(None),
        }
    }

    #[cold]
    fn default<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
        index: usize,
    ) -> Result<Option<S::Value>, ReadError> {
        let fields = &mut self.fields;
        match fields.record.defaults.get(fields.default) {
            Some((at, constant)) if *at == index => {
                fields.default += 1;
                let value = seed.deserialize(constant).map(Some);
                value.map_err(|error| error.in_field(fields.name(index)))
            }
            Some(_) | None => Ok(None),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut InOrder<'_, '_, 'de> {
    type Error = ReadError;

    /// Serde's own is not inlined, and handing the element over in memory costs more than reading
    /// most of them.
    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, ReadError> {
        self.next_element_seed(PhantomData)
    }

    #[inline(always)]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        let index = self.index;
        self.index += 1;
        match self.node(index)? {
            Some(node) => {
                let node = self.fields.arena.node(node);
                self.fields.wire(seed, index, node).map(Some)
            }
            None => self.default(seed, index),
        }
    }
}
