//! The person at the desk, who deals with what is held once everything is healed.

use std::collections::BTreeSet;
use std::time::Duration;

use readmill_core::Key;
use readmill_engine::{Desk, Fault, Metrics};
use tokio::sync::watch;

use crate::cast::ports;
use crate::check::Finding;
use crate::model::Trails;
use crate::relay::About;
use crate::scenario::Operator;
use crate::world::{Who, World};

/// The person's number in the history.
const PERSON: Who = 999;
/// The number of one who cannot wait.
const HASTY: Who = 998;
const HASTE: Duration = Duration::from_millis(330);

/// Tries held keys again and again while the faults last, and the instances are at work.
pub async fn hasten(world: World, metrics: Metrics) {
    let ports = ports(&world, HASTY, &metrics);
    let (_close, closing) = watch::channel(false);
    while !world.look(|world| world.fates.healed()) {
        let mut desk = Desk::new(&ports, closing.clone());
        for key in held_keys(&world) {
            let dealt = desk.retry(key.as_ref()).await;
            world.note(HASTY, || format!("retried {key:?}: {dealt:?}"));
        }
        tokio::time::sleep(HASTE).await;
    }
}

/// Tries every held key again, and gives up what is stuck if that is the person's way.
pub async fn deal(world: &World, operator: Operator, metrics: &Metrics) {
    let ports = ports(world, PERSON, metrics);
    let (_close, closing) = watch::channel(false);
    let mut desk = Desk::new(&ports, closing);
    for key in held_keys(world) {
        if let Err(fault) = deal_with(&mut desk, world, operator, key.as_ref()).await {
            world.find(Finding::Failed { what: format!("the desk: {fault}") });
        }
    }
}

async fn deal_with(
    desk: &mut Desk<'_, Trails>,
    world: &World,
    operator: Operator,
    key: Option<&Key>,
) -> Result<(), Fault> {
    loop {
        let dealt = desk.retry(key).await?;
        world.note(PERSON, || format!("retried {key:?}: {dealt:?}"));
        let Some((stuck, _)) = dealt.stuck else { return Ok(()) };
        if operator == Operator::Retries && !is_junk(world, &stuck) {
            return Ok(());
        }
        let queue = desk.queue(key).await?;
        let Some(head) = queue.iter().find(|held| held.record.position == stuck) else {
            return Ok(());
        };
        let refused = desk.give_up(head).await?;
        world.note(PERSON, || format!("gave {stuck} of {key:?} up: {refused:?}"));
        if let Some(why) = refused {
            world.find(Finding::Failed { what: format!("{stuck} cannot be given up: {why}") });
            return Ok(());
        }
        world.look(|world| world.given_up.insert(stuck));
    }
}

fn is_junk(world: &World, position: &readmill_core::Position) -> bool {
    world.look(|world| world.topics.about(position)) == Some(About::Junk)
}

fn held_keys(world: &World) -> BTreeSet<Option<Key>> {
    world.look(|world| {
        let records = world.held.all().iter().map(|held| held.key.clone());
        let documents = world.documents.all().filter(|(_, document)| document.stamp.is_held());
        records.chain(documents.map(|(key, _)| Some(key.clone()))).collect()
    })
}
