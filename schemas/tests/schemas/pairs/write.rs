//! Values in Avro's binary form, by our own encoder, in blocks as writers like them.
use apache_avro::types::Value as Avro;
use readmill_schemas::encode;

/// Appends a value.
pub fn write(value: &Avro, out: &mut Vec<u8>) {
    match value {
        Avro::Null => {}
        Avro::Boolean(value) => encode::boolean(*value, out),
        Avro::Int(value) => encode::long(i64::from(*value), out),
        Avro::Long(value) => encode::long(*value, out),
        Avro::Float(value) => encode::float(*value, out),
        Avro::Double(value) => encode::double(*value, out),
        Avro::String(text) => encode::text(text, out),
        Avro::Bytes(bytes) => encode::bytes(bytes, out),
        Avro::Fixed(_, bytes) => out.extend_from_slice(bytes),
        Avro::Enum(place, _) => encode::long(i64::from(*place), out),
        Avro::Union(place, value) => {
            encode::long(i64::from(*place), out);
            write(value, out);
        }
        Avro::Record(fields) => fields.iter().for_each(|(_, value)| write(value, out)),
        Avro::Array(items) => {
            // Two blocks, the first of which tells its size.
            let (first, second) = items.split_at(items.len() / 2);
            sized(first.len(), out, |out| first.iter().for_each(|item| write(item, out)));
            encode::items(second, out, write);
        }
        Avro::Map(entries) => {
            sized(entries.len(), out, |out| {
                for (key, value) in entries {
                    encode::text(key, out);
                    write(value, out);
                }
            });
            out.push(0);
        }
        other => panic!("a logical type: {other:?}"),
    }
}

fn sized(count: usize, out: &mut Vec<u8>, items: impl FnOnce(&mut Vec<u8>)) {
    if count > 0 {
        let mut block = Vec::new();
        items(&mut block);
        encode::long(-i64::try_from(count).unwrap(), out);
        encode::bytes(&block, out);
    }
}
