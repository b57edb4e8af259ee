//! The coordinator of the consumer group: sessions, assignments, generations, committed offsets.

use std::collections::BTreeMap;

use readmill_core::Partition;

/// A member's number; a member that was expelled comes back as another.
pub type MemberId = u32;

/// How partitions change hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Everybody gives everything up first.
    Eager,
    /// Only what moves is given up.
    Cooperative,
}

/// The group.
#[derive(Debug)]
pub struct Group {
    protocol: Protocol,
    session_ms: u64,
    next: MemberId,
    /// Raised by every change of the assignment.
    generation: u32,
    /// When each member was last seen.
    members: BTreeMap<MemberId, u64>,
    claims: BTreeMap<Partition, Claim>,
}

#[derive(Debug, Default)]
struct Claim {
    owner: Option<MemberId>,
    /// Who is to have it.
    target: Option<MemberId>,
    /// Whether its owner has to give it up, even if it is to have it again.
    revoked: bool,
    committed: Committed,
}

/// What is committed for a partition: an offset, and a text beside it.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// Where to resume.
    pub offset: i64,
    /// What the member that committed it wanted to be remembered.
    pub text: String,
}

/// What a member learns from its heartbeat.
#[derive(Debug, Default)]
pub struct Orders {
    /// To be given up.
    pub revoke: Vec<Partition>,
    /// To be read, each from what is committed.
    pub assign: Vec<(Partition, Committed)>,
}

impl Group {
    /// A group without members.
    pub fn new(protocol: Protocol, session_ms: u64, partitions: &[Partition]) -> Self {
        let claims = partitions.iter().map(|p| (p.clone(), Claim::default())).collect();
        Self { protocol, session_ms, next: 1, generation: 0, members: BTreeMap::new(), claims }
    }

    /// A member comes.
    pub fn join(&mut self, now_ms: u64) -> MemberId {
        let id = self.next;
        self.next += 1;
        self.members.insert(id, now_ms);
        self.rebalance();
        id
    }

    /// A member goes, by its own will or because it was silent for too long.
    pub fn leave(&mut self, id: MemberId) {
        if self.members.remove(&id).is_some() {
            self.claims.values_mut().filter(|c| c.owner == Some(id)).for_each(Claim::free);
            self.rebalance();
        }
    }

    /// Expels those who were silent for too long.
    pub fn expire(&mut self, now_ms: u64) -> Vec<MemberId> {
        let silent = |seen: &u64| now_ms.saturating_sub(*seen) > self.session_ms;
        let silent = self.members.iter().filter(|(_, seen)| silent(seen)).map(|(id, _)| *id);
        let silent: Vec<MemberId> = silent.collect();
        silent.iter().for_each(|id| self.leave(*id));
        silent
    }

    /// A heartbeat. None for one who was expelled.
    pub fn beat(&mut self, id: MemberId, now_ms: u64) -> Option<Orders> {
        *self.members.get_mut(&id)? = now_ms;
        let all_given_up = self.claims.values().all(|claim| !claim.revoked);
        let eager = self.protocol == Protocol::Eager;
        let mut orders = Orders::default();
        for (partition, claim) in &mut self.claims {
            match claim.owner {
                Some(owner) if owner == id && claim.revoked => {
                    orders.revoke.push(partition.clone());
                }
                None if claim.target == Some(id) && (all_given_up || !eager) => {
                    claim.owner = Some(id);
                    orders.assign.push((partition.clone(), claim.committed.clone()));
                }
                Some(_) | None => {}
            }
        }
        Some(orders)
    }

    /// A member has given a partition up.
    pub fn given_up(&mut self, id: MemberId, partition: &Partition) {
        if let Some(claim) = self.claims.get_mut(partition).filter(|c| c.owner == Some(id)) {
            claim.free();
        }
    }

    /// Commits. False for one who does not own the partition (any more).
    pub fn commit(&mut self, id: MemberId, partition: &Partition, committed: Committed) -> bool {
        let claim = self.claims.get_mut(partition).filter(|claim| claim.owner == Some(id));
        claim.map(|claim| claim.committed = committed).is_some()
    }

    /// The committed offset.
    pub fn committed(&self, partition: &Partition) -> i64 {
        self.claims.get(partition).map_or(0, |claim| claim.committed.offset)
    }

    /// Whether a member owns a partition.
    pub fn owns(&self, id: MemberId, partition: &Partition) -> bool {
        self.claims.get(partition).is_some_and(|claim| claim.owner == Some(id))
    }

    /// Whether a member is still one.
    pub fn knows(&self, id: MemberId) -> bool {
        self.members.contains_key(&id)
    }

    /// How partitions change hands.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The present generation.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Deals the partitions anew: whenever members change, or somebody asks for it.
    pub fn rebalance(&mut self) {
        self.generation += 1;
        let members: Vec<MemberId> = self.members.keys().copied().collect();
        let first = self.generation as usize;
        for (at, claim) in self.claims.values_mut().enumerate() {
            let dealt = members.get((first + at) % members.len().max(1)).copied();
            claim.target = dealt;
            let moves = self.protocol == Protocol::Eager || claim.owner != dealt;
            claim.revoked = claim.owner.is_some() && moves;
        }
    }
}

impl Claim {
    const fn free(&mut self) {
        self.owner = None;
        self.revoked = false;
    }
}
