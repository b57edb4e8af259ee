//! A walk through a body by its writer's schema: what concerns the person is written anew, and
//! every other byte is copied as it is.
use apache_avro::Schema;
use apache_avro::schema::RecordSchema;

use super::blank::Blank;
use super::marks::{Mark, Marked};
use super::{Redaction, Why};
use crate::plan::cursor::Cursor;
use crate::plan::error::{Failure as _, ReadFault};
use crate::plan::node::Number;
use crate::plan::types::{Kind, Names, kind};
use crate::{WriterSchema, encode};

type Body<'w> = Cursor<'w, Why>;

/// What a value is to us, beyond its type.
#[derive(Clone, Copy)]
pub(super) enum Role<'w> {
    /// Nothing.
    Plain,
    /// What a record of a contract says.
    Of(&'w Marked, &'w [Mark]),
    /// A change, with images of a table's rows, or of an outbox's where no contract is named.
    Envelope(Option<&'w Marked>),
    /// A row of an outbox.
    Outbox,
    /// The payload of an outbox row that names this event.
    Payload(&'w str),
}

/// What becomes of a field.
#[derive(Clone, Copy)]
enum Treatment<'w> {
    Walk(Role<'w>),
    Empty(&'w Marked, &'w Mark),
}

/// A walk through one body.
pub(super) struct Walk<'w> {
    redaction: &'w Redaction<'w>,
    names: Names<'w>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(redaction: &'w Redaction<'w>, writer: &'w WriterSchema) -> Self {
        let all = std::iter::once(writer.schema()).chain(writer.references());
        Self { redaction, names: Names::of(all) }
    }

    /// The body as it is from now on.
    pub(super) fn body(
        &'w self,
        schema: &'w Schema,
        role: Role<'w>,
        body: &'w [u8],
    ) -> Result<Vec<u8>, Why> {
        let (mut cursor, mut out) = (Cursor::new(body), Vec::with_capacity(body.len()));
        self.value(schema, role, &mut cursor, &mut out)?;
        match cursor.remaining() {
            0 => Ok(out),
            count => Err(ReadFault::Trailing { count }.into()),
        }
    }

    fn value(
        &'w self,
        schema: &'w Schema,
        role: Role<'w>,
        body: &mut Body<'w>,
        out: &mut Vec<u8>,
    ) -> Result<(), Why> {
        let schema = self.resolve(schema)?;
        let before = body.rest();
        match kind(schema) {
            Kind::Text => return self.text(role, body, out),
            // Decimals and such are bytes, too, and mean no text.
            Kind::Bytes if matches!(schema, Schema::Bytes) => {
                let event = event(role);
                if let Some(new) = self.redaction.bytes(body.bytes()?, event)? {
                    encode::bytes(&new, out);
                    return Ok(());
                }
            }
            Kind::Union(branches) => {
                let branch = branch(branches, body)?;
                out.extend_from_slice(passed(before, body));
                return self.value(branch, role, body, out);
            }
            Kind::Array(items) => return self.blocks(items, false, role, body, out),
            Kind::Map(values) => return self.blocks(values, true, role, body, out),
            Kind::Record(record) => return self.record(record, role, body, out),
            Kind::Null
            | Kind::Boolean
            | Kind::Number(_)
            | Kind::Bytes
            | Kind::Fixed(_)
            | Kind::Enum(_)
            | Kind::Name => self.skip(schema, body)?,
        }
        out.extend_from_slice(passed(before, body));
        Ok(())
    }

    fn text(&self, role: Role<'w>, body: &mut Body<'w>, out: &mut Vec<u8>) -> Result<(), Why> {
        let before = body.rest();
        match self.redaction.text(body.text()?, event(role))? {
            Some(new) => encode::text(&new, out),
            None => out.extend_from_slice(passed(before, body)),
        }
        Ok(())
    }

    /// An array's items, or a map's entries.
    fn blocks(
        &'w self,
        items: &'w Schema,
        is_map: bool,
        role: Role<'w>,
        body: &mut Body<'w>,
        out: &mut Vec<u8>,
    ) -> Result<(), Why> {
        body.enter()?;
        loop {
            let before = body.rest();
            let block = body.block()?;
            let head = passed(before, body);
            let (from, mut new) = (body.rest(), Vec::new());
            for place in 0..block.count {
                let left = body.remaining();
                if is_map {
                    self.text(Role::Plain, body, &mut new)?;
                }
                let item = self.value(items, role, body, &mut new);
                item.map_err(|why| why.in_item(usize::try_from(place).unwrap_or(usize::MAX)))?;
                body.item_ended(left)?;
            }
            let old = passed(from, body);
            match block.size {
                Some(size) if size != old.len() => return Err(ReadFault::BlockSize.into()),
                Some(_) if new != old => {
                    encode::long(-i64::try_from(block.count).unwrap_or(i64::MAX), out);
                    encode::long(i64::try_from(new.len()).unwrap_or(i64::MAX), out);
                }
                Some(_) | None => out.extend_from_slice(head),
            }
            out.extend_from_slice(&new);
            if block.count == 0 {
                body.leave();
                return Ok(());
            }
        }
    }

    fn record(
        &'w self,
        record: &'w RecordSchema,
        role: Role<'w>,
        body: &mut Body<'w>,
        out: &mut Vec<u8>,
    ) -> Result<(), Why> {
        body.enter()?;
        let treatments = self.treatments(record, role, body.rest())?;
        for (field, treatment) in record.fields.iter().zip(treatments) {
            let done = match treatment {
                Treatment::Walk(role) => self.value(&field.schema, role, body, out),
                Treatment::Empty(marked, mark) => self.skip(&field.schema, body).and_then(|()| {
                    let blank = Blank { names: &self.names, marked };
                    Ok(blank.write(&field.schema, Some(mark), 0, out)?)
                }),
            };
            done.map_err(|why| why.in_field(&field.name))?;
        }
        body.leave();
        Ok(())
    }

    /// What becomes of each field of the record that `rest` begins with.
    fn treatments(
        &'w self,
        record: &'w RecordSchema,
        role: Role<'w>,
        rest: &'w [u8],
    ) -> Result<Vec<Treatment<'w>>, Why> {
        let mut all = vec![Treatment::Walk(Role::Plain); record.fields.len()];
        let names = || record.fields.iter().map(|field| field.name.as_str());
        match role {
            Role::Plain | Role::Payload(_) => {}
            Role::Envelope(marked) => {
                let image = marked.map_or(Role::Outbox, |marked| Role::Of(marked, marked.root()));
                for (name, treatment) in names().zip(&mut all) {
                    if matches!(name, "before" | "after") {
                        *treatment = Treatment::Walk(image);
                    }
                }
            }
            Role::Outbox => {
                let named = names().position(|name| name == "type");
                let spans = self.spans(record, rest)?;
                let event = named.and_then(|place| self.text_of(record, place, &spans));
                for (name, treatment) in names().zip(&mut all) {
                    if name == "payload" {
                        *treatment = Treatment::Walk(Role::Payload(event.unwrap_or_default()));
                    }
                }
            }
            Role::Of(marked, marks) => {
                let spans = self.spans(record, rest)?;
                let sources: Vec<_> = marks.iter().map(|mark| mark.source(names())).collect();
                let is_about = |whom: usize| {
                    let place = sources.get(whom).copied().flatten();
                    let text = place.and_then(|place| self.text_of(record, place, &spans));
                    text.is_some_and(|text| self.redaction.is_person(text))
                };
                for (mark, source) in marks.iter().zip(&sources) {
                    let Some(treatment) = source.and_then(|place| all.get_mut(place)) else {
                        continue;
                    };
                    if mark.about.is_some_and(is_about) {
                        *treatment = Treatment::Empty(marked, mark);
                    } else if let Some(name) = mark.within() {
                        *treatment = Treatment::Walk(Role::Of(marked, marked.record(name)));
                    }
                }
            }
        }
        Ok(all)
    }

    /// The bytes of each field.
    fn spans(&self, record: &'w RecordSchema, rest: &'w [u8]) -> Result<Vec<&'w [u8]>, Why> {
        let mut body = Cursor::new(rest);
        let span = |field: &'w apache_avro::schema::RecordField| {
            let before = body.rest();
            self.skip(&field.schema, &mut body).map_err(|why| why.in_field(&field.name))?;
            Ok(passed(before, &body))
        };
        record.fields.iter().map(span).collect()
    }

    /// The text in a field, if it has one.
    fn text_of(
        &self,
        record: &'w RecordSchema,
        place: usize,
        spans: &[&'w [u8]],
    ) -> Option<&'w str> {
        let mut body = Body::new(spans.get(place)?);
        let mut schema = self.resolve(&record.fields.get(place)?.schema).ok()?;
        while let Kind::Union(branches) = kind(schema) {
            schema = self.resolve(branch(branches, &mut body).ok()?).ok()?;
        }
        if let Kind::Text = kind(schema) { body.text().ok() } else { None }
    }

    fn skip(&self, schema: &'w Schema, body: &mut Body<'w>) -> Result<(), Why> {
        let schema = self.resolve(schema)?;
        match kind(schema) {
            Kind::Null | Kind::Name => {}
            Kind::Boolean => drop(body.boolean()?),
            Kind::Number(Number::Int | Number::Long) | Kind::Enum(_) => drop(body.long()?),
            Kind::Number(Number::Float) => drop(body.take(4)?),
            Kind::Number(Number::Double) => drop(body.take(8)?),
            Kind::Text | Kind::Bytes => drop(body.bytes()?),
            Kind::Fixed(size) => drop(body.take(size)?),
            Kind::Union(branches) => self.skip(branch(branches, body)?, body)?,
            Kind::Array(items) => self.skip_blocks(items, false, body)?,
            Kind::Map(values) => self.skip_blocks(values, true, body)?,
            Kind::Record(record) => {
                body.enter()?;
                for field in &record.fields {
                    self.skip(&field.schema, body).map_err(|why| why.in_field(&field.name))?;
                }
                body.leave();
            }
        }
        Ok(())
    }

    fn skip_blocks(&self, items: &'w Schema, is_map: bool, body: &mut Body<'w>) -> Result<(), Why> {
        body.enter()?;
        loop {
            let block = body.block()?;
            match block.size {
                Some(size) => drop(body.take(size)?),
                None => {
                    for _ in 0..block.count {
                        let left = body.remaining();
                        if is_map {
                            body.bytes()?;
                        }
                        self.skip(items, body)?;
                        body.item_ended(left)?;
                    }
                }
            }
            if block.count == 0 {
                body.leave();
                return Ok(());
            }
        }
    }

    fn resolve(&self, schema: &'w Schema) -> Result<&'w Schema, ReadFault> {
        let undefined =
            |name| ReadFault::Refused { message: format!("the type {name} is not defined") };
        self.names.resolve(schema).map_err(undefined)
    }
}

/// The event whose payload a value is.
const fn event(role: Role<'_>) -> Option<&str> {
    match role {
        Role::Payload(event) => Some(event),
        Role::Plain | Role::Of(..) | Role::Envelope(_) | Role::Outbox => None,
    }
}

fn branch<'w>(branches: &'w [Schema], body: &mut Body<'w>) -> Result<&'w Schema, Why> {
    let place = body.place(branches.len())?;
    let fault = |found| ReadFault::Branch { found, branches: branches.len() };
    let place = place.map_err(fault)?;
    branches.get(place).ok_or_else(|| fault(-1).into())
}

/// What was read of `before`.
fn passed<'w>(before: &'w [u8], body: &Body<'w>) -> &'w [u8] {
    before.get(..before.len() - body.remaining()).unwrap_or_default()
}
