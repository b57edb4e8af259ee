//! A drawn pair of schemas with a value of the writer's, read in each of the ways there are.
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use readmill_schemas::Plan;

use crate::pairs::{Any, Pair, Type, resolve, value, write};
use crate::schema;

/// A pair drawn from bytes, and a value of the writer's in the reference library's encoding.
pub struct Case {
    pub pair: Pair,
    pub value: Avro,
    pub body: Vec<u8>,
}

impl Case {
    #[allow(deprecated, reason = "the reference encoder's plainest form")]
    pub fn draw(mut bytes: &[u8]) -> Self {
        let pair = Pair::draw(&mut bytes);
        let value = value(&mut bytes, &pair.writer, &Type::Named(0), 0);
        let writer = Schema::parse_str(&pair.writer.text()).unwrap();
        let body = apache_avro::to_avro_datum(&writer, value.clone()).unwrap();
        Self { pair, value, body }
    }

    pub fn plan(&self) -> Plan {
        let (writer, reader) = (schema(&self.pair.writer.text()), schema(&self.pair.reader.text()));
        Plan::between(&writer, &reader).unwrap_or_else(|error| panic!("{error} {}", self.texts()))
    }

    /// The value in blocks that tell their sizes.
    pub fn in_blocks(&self) -> Vec<u8> {
        let mut body = Vec::new();
        write(&self.value, &mut body);
        body
    }

    /// What the specification says; nothing if the reader has no place for the value.
    pub fn expected(&self) -> Option<Any> {
        resolve(&self.pair, &Type::Named(0), &Type::Named(0), &self.value)
    }

    /// What the reference library reads.
    pub fn reference(&self) -> Result<Any, String> {
        reference(&self.pair.writer.text(), &self.pair.reader.text(), &self.body)
            .map(|value| Any::of(&value))
    }

    /// Both schemas, for messages.
    pub fn texts(&self) -> String {
        format!("\n{}\n{}", self.pair.writer.text(), self.pair.reader.text())
    }
}

/// What the reference library reads from a body by a reader's schema.
pub fn reference(writer: &str, reader: &str, mut body: &[u8]) -> Result<Avro, String> {
    let (writer, reader) = (Schema::parse_str(writer).unwrap(), Schema::parse_str(reader).unwrap());
    let decoder = GenericDatumReader::builder(&writer).reader_schema(&reader).build();
    let value = decoder.and_then(|decoder| decoder.read_value(&mut body));
    value.map_err(|error| error.to_string())
}
