//! A worker that sleeps longer than its leave, while a person is forgotten whose record it has in
//! hand: it settles nothing of it, and whoever reads it again erases what the sleeper wrote.

use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Counts, Forgotten, Key};
use readmill_engine::leave::GivesLeave;
use readmill_engine::patience::Patience;
use readmill_engine::river::River;
use readmill_engine::{Fault, Forgetting, Leave, Limits, Ports, Pulse, Script, Tally, Watch};
use readmill_models::Points;
use tokio::sync::watch;
use tokio::time::{advance, sleep};

use crate::earned;
use crate::world::{Worker, World, partition, worker};

const LIFE: Duration = Duration::from_secs(5);

fn without(id: &str) -> Forgotten {
    let nobody = Forgotten::of("salt".to_owned(), []);
    Forgotten::of("salt".to_owned(), [nobody.digest(id)])
}

fn ports(world: &World<Points>, forgotten: Forgetting) -> Arc<Ports<Points>> {
    let ports = Arc::into_inner(world.ports()).unwrap();
    let script = Script { forgotten, ..ports.script };
    Arc::new(Ports { script, ..ports })
}

/// A worker that takes records in only as long as it is given leave.
fn on_leave(ports: &Arc<Ports<Points>>) -> (Worker<Points>, GivesLeave) {
    let (close, closing) = watch::channel(false);
    let tally = Tally::new("points", ports.metrics.clone());
    let patience = Patience::new(closing.clone(), ports.metrics.clone(), "points");
    let (gives, leave) = Leave::given_by_another();
    let watch = Watch { leave, ..Watch::new(tally.clone(), Pulse::default(), closing) };
    let river = River::new(Arc::clone(ports), &partition(), Limits::default(), &watch, patience);
    (Worker { river, tally, close, progress: None }, gives)
}

#[tokio::test(start_paused = true)]
async fn whoever_slept_through_a_forgetting_settles_nothing_of_the_person() {
    for (is_forgotten, sleeps) in [(true, true), (false, true), (true, false)] {
        let world = World::<Points>::new();
        let (list, now) = watch::channel(Arc::default());
        let ports = ports(&world, Forgetting::of(now));
        let (mut sleeper, gives) = on_leave(&ports);
        gives.give(LIFE);
        world.stall(Some("m-1"));
        let records = vec![earned(0, "m-1", 1), earned(1, "m-2", 1)];
        let again = records.clone();
        let flowing = tokio::spawn(async move {
            let flowed = sleeper.flow(records).await;
            (flowed, sleeper.progress)
        });
        sleep(Duration::from_secs(1)).await;
        if sleeps {
            advance(LIFE).await;
        }
        if is_forgotten {
            list.send_replace(Arc::new(without("m-1")));
        }
        // Its leave may be taken back and given again before it looks.
        gives.take_back();
        gives.give(LIFE);
        world.stall(None);
        let (flowed, progress) = flowing.await.unwrap();
        assert!(world.document("m-1").is_some(), "the sleeper has written it");
        if !(is_forgotten && sleeps) {
            assert!(flowed.is_ok_and(|at| at.is_some()), "nothing was missed");
            continue;
        }
        assert!(matches!(flowed, Err(Fault::Overslept)), "{flowed:?}");
        let settled = progress.map_or(0, |(at, _)| at.value());
        assert_eq!(settled, 0, "it has settled what may tell of the person");
        let mut next = worker(&ports);
        assert_eq!(next.flow(again).await.unwrap().map(|at| at.value()), Some(2));
        assert_eq!(world.document("m-1"), None, "the sleeper's document stands");
        let standing: Vec<Key> = world.states().into_keys().collect();
        assert_eq!(standing, [Key::from("m-2")]);
        let Counts { skipped, .. } = next.tally.counts();
        assert_eq!(skipped, 1);
    }
}
