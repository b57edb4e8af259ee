//! Any message is taken apart or told why not, and what is taken apart is put together again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use readmill_schemas::framing;

fuzz_target!(|message: &[u8]| {
    let Ok(framed) = framing::read(message) else {
        return;
    };
    let mut again = Vec::new();
    framing::write(framed.schema, |out| out.extend_from_slice(framed.body), &mut again);
    assert_eq!(again, message);
});
