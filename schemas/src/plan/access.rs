//! Serde's walks over what has parts: a record's fields, an array's items, a map's entries.
use std::marker::PhantomData;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::constant::Constant;
use super::cursor::{Blocks, Cursor};
use super::de::Value;
use super::error::{Failure, ReadError};
use super::node::{Arena, Node, Record, Step};

/// The fields of a record: those on the wire in the writer's order, then the defaults.
pub(super) struct Fields<'p, 'c, 'de> {
    arena: &'p Arena,
    record: &'p Record,
    body: &'c mut Cursor<'de>,
    step: usize,
    default: usize,
    next: Option<(usize, Source<'p>)>,
}

#[derive(Clone, Copy)]
enum Source<'p> {
    Wire(&'p Node),
    Default(&'p Constant),
}

impl<'p, 'c, 'de> Fields<'p, 'c, 'de> {
    pub(super) fn read<V: Visitor<'de>>(
        arena: &'p Arena,
        record: &'p Record,
        body: &'c mut Cursor<'de>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        body.enter()?;
        let mut fields = Self { arena, record, body, step: 0, default: 0, next: None };
        let value = visitor.visit_map(&mut fields)?;
        fields.finish()?;
        fields.body.leave();
        Ok(value)
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<(usize, Source<'p>)>, ReadError> {
        while let Some(step) = self.record.steps.get(self.step) {
            self.step += 1;
            match step {
                Step::Skip { .. } => self.arena.skip_step(self.record, step, self.body)?,
                Step::Read { index, node } => {
                    return Ok(Some((*index, Source::Wire(self.arena.node(*node)))));
                }
            }
        }
        let default = self.record.defaults.get(self.default);
        self.default += 1;
        Ok(default.map(|(index, constant)| (*index, Source::Default(constant))))
    }

    /// Passes over what a visitor that stopped early has left.
    #[inline]
    fn finish(&mut self) -> Result<(), ReadError> {
        if let Some((_, Source::Wire(node))) = self.next.take() {
            self.arena.skip(node, self.body)?;
        }
        while let Some(step) = self.record.steps.get(self.step) {
            self.step += 1;
            self.arena.skip_step(self.record, step, self.body)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_, 'de> {
    type Error = ReadError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        self.next = self.advance()?;
        let Some((index, _)) = self.next else {
            return Ok(None);
        };
        seed.deserialize(self.record.name(index).into_deserializer()).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        // Without one for a visitor that asks for a value before its key.
        let Some((index, source)) = self.next.take() else {
            return seed.deserialize(&Constant::Null);
        };
        let value = match source {
            Source::Wire(node) => {
                seed.deserialize(Value { arena: self.arena, node, body: &mut *self.body })
            }
            Source::Default(constant) => seed.deserialize(constant),
        };
        value.map_err(|error| error.in_field(self.record.name(index)))
    }
}

/// The items of an array.
pub(super) struct Items<'p, 'c, 'de> {
    arena: &'p Arena,
    node: &'p Node,
    body: &'c mut Cursor<'de>,
    blocks: Blocks,
    place: usize,
}

impl<'p, 'c, 'de> Items<'p, 'c, 'de> {
    pub(super) fn read<V: Visitor<'de>>(
        arena: &'p Arena,
        node: &'p Node,
        body: &'c mut Cursor<'de>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        body.enter()?;
        let blocks = Blocks::open(body)?;
        let mut items = Self { arena, node, body, blocks, place: 0 };
        let value = visitor.visit_seq(&mut items)?;
        while (&mut items).next_element::<IgnoredAny>()?.is_some() {}
        items.body.leave();
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, '_, 'de> {
    type Error = ReadError;

    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, ReadError> {
        self.next_element_seed(PhantomData)
    }

    #[inline(always)]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        if !self.blocks.next(self.body)? {
            return Ok(None);
        }
        let before = self.body.remaining();
        let value = Value { arena: self.arena, node: self.node, body: &mut *self.body };
        let place = self.place;
        let item = seed.deserialize(value).map_err(|error| error.in_item(place))?;
        self.body.item_ended(before)?;
        self.place += 1;
        Ok(Some(item))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.blocks.hint(self.body))
    }
}

/// The entries of a map.
pub(super) struct Keyed<'p, 'c, 'de> {
    arena: &'p Arena,
    node: &'p Node,
    body: &'c mut Cursor<'de>,
    blocks: Blocks,
    place: usize,
}

impl<'p, 'c, 'de> Keyed<'p, 'c, 'de> {
    pub(super) fn read<V: Visitor<'de>>(
        arena: &'p Arena,
        node: &'p Node,
        body: &'c mut Cursor<'de>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        body.enter()?;
        let blocks = Blocks::open(body)?;
        let mut keyed = Self { arena, node, body, blocks, place: 0 };
        let value = visitor.visit_map(&mut keyed)?;
        while keyed.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        keyed.body.leave();
        Ok(value)
    }
}

impl<'de> MapAccess<'de> for Keyed<'_, '_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        if !self.blocks.next(self.body)? {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(self.body.text()?)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let value = Value { arena: self.arena, node: self.node, body: &mut *self.body };
        // The key is the payload's, so an error tells the entry's number.
        let place = self.place;
        self.place += 1;
        seed.deserialize(value).map_err(|error| error.in_item(place))
    }
}
