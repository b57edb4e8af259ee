//! Any message is taken apart or told why not, and what is taken apart is put together again.
use readmill_schemas::framing;

/// Takes one message apart.
pub fn run(message: &[u8]) {
    let Ok(framed) = framing::read(message) else {
        return;
    };
    let mut again = Vec::new();
    framing::write(framed.schema, |out| out.extend_from_slice(framed.body), &mut again);
    assert_eq!(again, message);
}
