//! Records that cannot be read for a while: that they are held does not tell that what follows from
//! them was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Key, Outcome};
use readmill_engine::{Desk, Fault, Ports, SchemaBook, Script};
use readmill_schemas::{SchemaId, WriterSchema};
use tokio::sync::watch;

use crate::purses::{Around, EARNED, HELD, Purses, Put, flow, put, records};

/// A registry that has lost the schemas of events.
#[derive(Debug)]
struct Lossy {
    inner: Arc<dyn SchemaBook>,
    lost: AtomicBool,
}

#[async_trait]
impl SchemaBook for Lossy {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        if id.0 > 0 && self.lost.load(Ordering::Relaxed) {
            return Err(Fault::UnknownSchema { id: id.0 });
        }
        self.inner.schema(id).await
    }
}

fn losing(around: &Around, lost: bool) -> Arc<Ports<Purses>> {
    let ports = Arc::into_inner(around.ports()).unwrap();
    let schemas = Lossy { inner: ports.script.schemas, lost: AtomicBool::new(lost) };
    let script = Script { schemas: Arc::new(schemas), ..ports.script };
    Arc::new(Ports { script, ..ports })
}

/// The first is of another aggregate: unreadable, it is held under that one's key.
fn log() -> Vec<Put<'static>> {
    let order = Some("an order");
    vec![
        Put { by: "order-1", order, ..put("a", 1, 5, "") },
        put("a", 1, 7, ""),
        put("b", 1, 1, ""),
        put("a", 2, 9, ""),
        put("a", 3, 11, ""),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_was_folded_untold_and_then_unreadable_is_told_once() {
    for mended_first in [true, false] {
        let around = Around::new();
        let records = records(0, 0, &log());
        // One folds the first record, and dies before telling.
        around.world.deafen_outlet(true);
        let ports = losing(&around, false);
        let crashing = flow(&ports, 0, vec![records[..1].to_vec()]);
        let crashed = tokio::time::timeout(Duration::from_secs(60), crashing).await;
        assert!(matches!(crashed, Ok(Err(Fault::Refused { .. }))), "{crashed:?}");
        around.world.deafen_outlet(false);
        // The next cannot read it, holds it and goes on.
        let ports = losing(&around, true);
        flow(&ports, 0, vec![records[..1].to_vec()]).await.unwrap();
        assert_eq!(around.world.held(), [(Some(Key::from("order-1")), 0)]);
        assert_eq!(around.world.said(), Vec::<String>::new());
        let mending = async || {
            let ports = losing(&around, false);
            let (_close, closing) = watch::channel(false);
            let mut desk = Desk::new(&ports, closing);
            let dealt = desk.retry(Some(&Key::from("order-1"))).await.unwrap();
            assert_eq!((dealt.ended, dealt.stuck), (vec![Outcome::Duplicate], None));
        };
        if mended_first {
            mending().await;
        }
        // The last settles what is before it, in batches, and knows of the first from the held.
        let ports = losing(&around, false);
        let rest = records[1..].chunks(1).map(<[_]>::to_vec).collect();
        flow(&ports, 0, rest).await.unwrap();
        let again = losing(&around, false);
        flow(&again, 0, vec![records[4..].to_vec()]).await.unwrap();
        if !mended_first {
            mending().await;
        }
        let mut said = around.world.said();
        said.dedup();
        assert_eq!(said, ["purses/a/1/0"]);
        assert_eq!(around.total(&HELD), (2, 12));
        assert_eq!(around.totals(&EARNED)["all/1970-01-01"], (5, 33));
        assert_eq!(around.world.held(), []);
    }
}
