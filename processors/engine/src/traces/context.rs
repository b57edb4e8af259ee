//! A record's place in a trace: what its header `traceparent` says, and the ids that follow.

use readmill_core::{Position, Record};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// The header, as W3C's Trace Context has it; Debezium and its clients pass it on.
const HEADER: &str = "traceparent";
const VERSION_LENGTH: usize = 2;
/// The flag that says that the trace is kept.
const SAMPLED: u8 = 1;

/// A trace, and the span in it that led to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: u128,
    /// The span that is the parent; none where the trace begins with the record.
    pub parent: Option<u64>,
}

/// Of which records spans are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Of traces that their header calls sampled, so many of a thousand.
    pub sampled_per_mille: u32,
    /// Of records without such a header, so many of a thousand; each begins a trace.
    pub others_per_mille: u32,
}

impl Sampling {
    /// The context of a record of which spans are made. Every instance decides alike.
    pub fn of(self, record: &Record) -> Option<Context> {
        let header = record.headers.iter().find(|(name, _)| name == HEADER);
        let read = header.and_then(|(_, value)| read(value));
        let (context, per_mille) = match read {
            Some((_, flags)) if flags & SAMPLED == 0 => return None,
            Some((context, _)) => (context, self.sampled_per_mille),
            None if self.others_per_mille == 0 => return None,
            None => (begun_by(&record.position), self.others_per_mille),
        };
        (context.trace % 1000 < u128::from(per_mille)).then_some(context)
    }
}

impl Context {
    /// The id of the span of a record as a whole.
    pub fn record_id(&self, position: &Position) -> u64 {
        self.id(format!("{position}").as_bytes())
    }

    /// An id within the trace, never 0.
    fn id(&self, of: &[u8]) -> u64 {
        let seed = u64::try_from(self.trace & u128::from(u64::MAX)).unwrap_or(0);
        xxh3_64_with_seed(of, seed).max(1)
    }

    /// The id of a span below another.
    pub fn child_id(&self, parent: u64, n: u8, name: &str) -> u64 {
        let mut of = parent.to_be_bytes().to_vec();
        of.push(n);
        of.extend(name.as_bytes());
        self.id(&of)
    }
}

fn begun_by(position: &Position) -> Context {
    Context { trace: xxh3_128(format!("{position}").as_bytes()).max(1), parent: None }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; later versions may say more behind it.
fn read(header: &[u8]) -> Option<(Context, u8)> {
    let text = std::str::from_utf8(header).ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_known = version == "00" && parts.next().is_none();
    let is_later = version != "00" && version != "ff";
    let shape = [(version, VERSION_LENGTH), (trace, 32), (parent, 16), (flags, 2)];
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let has_shape = shape.iter().all(|(part, length)| part.len() == *length && is_hex(part));
    if !has_shape || !(is_known || is_later) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((Context { trace, parent: Some(parent) }, flags))
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Partition};

    use super::*;

    const SAMPLED_HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ALL: Sampling = Sampling { sampled_per_mille: 1000, others_per_mille: 0 };

    fn record(header: Option<&str>, offset: i64) -> Record {
        let partition = Partition::new("t", 0);
        let mut record = Record::at(Position { partition, offset: Offset(offset) });
        let headers = header.map(|value| (HEADER.to_owned(), value.as_bytes().to_vec()));
        record.headers = headers.into_iter().collect();
        record
    }

    #[test]
    fn a_header_is_read_as_the_recommendation_has_it() {
        let other = "00000000000000000000000000000000";
        let table = [
            (SAMPLED_HEADER.to_owned(), true),
            (SAMPLED_HEADER.replace("-01", "-00"), false),
            (SAMPLED_HEADER.replace("-01", "-03"), true),
            (SAMPLED_HEADER.replace("4bf92f3577b34da6a3ce929d0e0e4736", other), false),
            (SAMPLED_HEADER.replace("00f067aa0ba902b7", "0000000000000000"), false),
            (SAMPLED_HEADER.to_uppercase(), false),
            (format!("{SAMPLED_HEADER}-more"), false),
            (format!("{SAMPLED_HEADER}-more").replacen("00-", "01-", 1), true),
            (SAMPLED_HEADER.replacen("00-", "ff-", 1), false),
            ("é".repeat(20), false),
            (String::new(), false),
        ];
        for (header, is_kept) in table {
            assert_eq!(ALL.of(&record(Some(&header), 0)).is_some(), is_kept, "{header}");
        }
        let context = ALL.of(&record(Some(SAMPLED_HEADER), 0)).unwrap();
        assert_eq!(context.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.parent, Some(0x00f0_67aa_0ba9_02b7));
    }

    #[test]
    fn so_many_of_a_thousand_are_kept_and_everybody_keeps_the_same() {
        let some = Sampling { sampled_per_mille: 0, others_per_mille: 100 };
        let kept = (0..10_000).filter(|n| some.of(&record(None, *n)).is_some()).count();
        assert!((800..1_200).contains(&kept), "{kept}");
        assert_eq!(some.of(&record(Some(SAMPLED_HEADER), 0)), None);
        assert_eq!(ALL.of(&record(None, 0)), None);
    }

    #[test]
    fn ids_follow_from_the_trace_and_the_place() {
        let context = ALL.of(&record(Some(SAMPLED_HEADER), 0)).unwrap();
        let ids = (0..100).map(|n| context.record_id(&record(None, n).position));
        let ids: std::collections::BTreeSet<u64> = ids.collect();
        assert_eq!(ids.len(), 100);
        let id = context.record_id(&record(None, 0).position);
        assert_ne!(context.child_id(id, 1, ""), context.child_id(id, 2, ""));
        assert_ne!(context.child_id(id, 1, "k"), context.child_id(id, 1, "l"));
    }
}
