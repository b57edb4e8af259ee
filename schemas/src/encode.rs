//! Avro's binary form of single values, appended to a body.

/// A zigzag varint: Avro's `int`, `long`, lengths, branches and symbols.
pub fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or_default());
}

/// A boolean.
pub fn boolean(value: bool, out: &mut Vec<u8>) {
    out.push(u8::from(value));
}

/// A 32-bit float.
pub fn float(value: f32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// A 64-bit float.
pub fn double(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Bytes with their length.
pub fn bytes(value: &[u8], out: &mut Vec<u8>) {
    length(value.len(), out);
    out.extend_from_slice(value);
}

/// Text with its length in bytes.
pub fn text(value: &str, out: &mut Vec<u8>) {
    bytes(value.as_bytes(), out);
}

/// An array as one block and its end.
pub fn items<T>(items: &[T], out: &mut Vec<u8>, item: impl Fn(&T, &mut Vec<u8>)) {
    if !items.is_empty() {
        length(items.len(), out);
        for each in items {
            item(each, out);
        }
    }
    out.push(0);
}

/// No slice in memory is longer than `i64::MAX`, so nothing is cut off here.
fn length(length: usize, out: &mut Vec<u8>) {
    long(i64::try_from(length).unwrap_or(i64::MAX), out);
}
