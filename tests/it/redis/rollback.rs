//! Servers that forget what they have acknowledged: it is noticed before anything is built on it,
//! and the positions tell from where to read again.

use readmill_connectors::conformance::Pebbles;
use readmill_connectors::redis::RedisStore;
use readmill_core::Partition;
use readmill_engine::{Fault, Put, Store};

use super::server::Server;
use super::{all_done, config, documents, key, put, revisions};

fn partitions() -> [Partition; 2] {
    [Partition::new("t", 0), Partition::new("t", 1)]
}

async fn noted(store: &RedisStore) -> Vec<Option<String>> {
    Store::<Pebbles>::noted(store, &partitions()).await.unwrap().unwrap()
}

async fn note(store: &RedisStore, partition: usize, text: &str) -> Result<(), Fault> {
    let settled = [(partitions()[partition].clone(), text.to_owned())];
    Store::<Pebbles>::note_settled(store, &settled).await
}

#[track_caller]
fn rolled_back<T: std::fmt::Debug>(answer: Result<T, Fault>) {
    let Err(Fault::RolledBack { .. }) = answer else { panic!("{answer:?}") };
}

/// A primary with a replica that stops following in the middle, and is then the primary.
struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    fn up() -> Self {
        let (primary, replica) = (Server::start(&[]), Server::start(&[]));
        replica.follow(&primary);
        Self { primary, replica }
    }

    /// From now on the replica has nothing new.
    fn part(&self) {
        self.replica.ask(&["REPLICAOF", "NO", "ONE"]);
    }

    /// The primary goes, and the replica listens at its port.
    fn fail_over(mut self) -> Server {
        let port = self.primary.port;
        self.replica.ask(&["SAVE"]);
        self.primary.kill();
        self.replica.kill();
        self.replica.port = port;
        self.replica.revive();
        self.replica
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_that_lost_documents_is_met_by_the_next_write_and_what_is_lost_is_told() {
    let pair = Pair::up();
    let config = config(&pair.primary.uri());
    let store = documents(&config).await;
    assert_eq!(noted(&store).await, [None, None]);
    all_done(put(&store, 0..20, 0).await);
    note(&store, 0, "20|").await.unwrap();
    pair.replica.follow(&pair.primary);
    pair.part();
    all_done(put(&store, 0..5, 1).await);
    all_done(put(&store, 20..30, 0).await);
    note(&store, 0, "35|").await.unwrap();
    note(&store, 1, "7|").await.unwrap();
    let _primary = pair.fail_over();

    // Whatever is written next is refused, also documents that stand as they are expected.
    let fresh = || put(&store, 100..120, 0);
    let met = loop {
        match fresh().await {
            Err(Fault::Silent { .. }) => {}
            met => break met,
        }
    };
    rolled_back(met);
    rolled_back(put(&store, 6..8, 1).await);
    assert_eq!(revisions(&store, 100..120).await, [0; 20], "nothing is built on a loss");
    assert_eq!(revisions(&store, 6..8).await, [1, 1]);
    assert_eq!(revisions(&store, 0..5).await, [1; 5], "the loss");
    // Nor is a position noted over it.
    rolled_back(note(&store, 0, "40|").await);

    // What it still knows tells from where to read again, for each partition by itself.
    let first = &partitions()[..1];
    let known = Store::<Pebbles>::noted(&store, first).await.unwrap().unwrap();
    assert_eq!(known, [Some("20|".to_owned())]);
    rolled_back(note(&store, 1, "8|").await);
    all_done(put(&store, 0..5, 1).await);
    all_done(put(&store, 20..30, 0).await);
    note(&store, 0, "35|").await.unwrap();
    assert_eq!(noted(&store).await, [Some("35|".to_owned()), None]);
    note(&store, 1, "7|").await.unwrap();
    assert_eq!(revisions(&store, 0..5).await, [2; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_between_two_lives_of_a_process_shows_in_the_positions() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let config = config(&server.uri());
    let store = documents(&config).await;
    all_done(put(&store, 0..10, 0).await);
    note(&store, 0, "10|").await.unwrap();
    let file = server.dir().join("appendonlydir/appendonly.aof.1.incr.aof");
    let kept = std::fs::metadata(&file).unwrap().len();
    all_done(put(&store, 10..20, 0).await);
    note(&store, 0, "20|").await.unwrap();
    drop(store);
    server.kill();
    // As after a power cut.
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(kept).unwrap();
    server.revive();
    let store = documents(&config).await;
    assert_eq!(noted(&store).await, [Some("10|".to_owned()), None]);
    assert_eq!(revisions(&store, 0..20).await, [[1; 10], [0; 10]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_server_is_a_loss_too() {
    let server = Server::start(&[]);
    let store = documents(&config(&server.uri())).await;
    noted(&store).await;
    all_done(put(&store, 0..20, 0).await);
    note(&store, 0, "20|").await.unwrap();
    server.ask(&["FLUSHALL"]);
    // A record that changes no document is settled without a write.
    rolled_back(note(&store, 0, "21|").await);
    rolled_back(put(&store, 20..21, 0).await);
    let first = &partitions()[..1];
    Store::<Pebbles>::noted(&store, first).await.unwrap();
    rolled_back(note(&store, 1, "5|").await);
    assert_eq!(noted(&store).await, [None, None]);
    all_done(put(&store, 0..20, 0).await);
}

/// The tide stands behind the documents; a document's own revision is a second net.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_stands_lower_than_it_was_acknowledged_is_no_common_conflict() {
    let server = Server::start(&[]);
    let store = documents(&config(&server.uri())).await;
    all_done(put(&store, 0..3, 0).await);
    all_done(put(&store, 0..3, 1).await);
    let place = format!("rm:pebbles:1:{{{}}}", key(1));
    server.ask(&["HSET", &place, "_revision", "1"]);
    let told = put(&store, 0..3, 2).await.unwrap_err();
    assert_eq!(told.remedy(), readmill_engine::Remedy::Stop);
    assert!(told.to_string().contains("rebuild"), "{told}");
    // One that is missing may have expired or been erased; a higher one is another writer's.
    server.ask(&["DEL", &place]);
    assert_eq!(put(&store, 1..2, 2).await.unwrap(), [Put::Unsure]);
    assert_eq!(put(&store, 2..3, 1).await.unwrap(), [Put::Unsure]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_count_as_durable_once_replicas_have_them() {
    let pair = Pair::up();
    let mut config = config(&pair.primary.uri());
    config.replicas = 1;
    config.response_limit_ms = 3_000;
    let store = documents(&config).await;
    noted(&store).await;
    all_done(put(&store, 0..10, 0).await);
    note(&store, 0, "10|").await.unwrap();
    assert!(pair.replica.ask(&["EXISTS", "rm:pebbles:1:{p-9}"]).ends_with('1'));
    pair.part();
    let alone = put(&store, 10..20, 0).await;
    assert!(matches!(alone, Err(Fault::Silent { .. })), "{alone:?}");
    let alone = note(&store, 0, "20|").await;
    assert!(matches!(alone, Err(Fault::Silent { .. })), "{alone:?}");
    // The engine looks such writes up, finds them, and settles them: only behind a note.
    pair.replica.follow(&pair.primary);
    note(&store, 0, "20|").await.unwrap();
    assert!(pair.replica.ask(&["EXISTS", "rm:pebbles:1:{p-19}"]).ends_with('1'));
}
