//! The leave to take records in: given for a while only, so that whoever has not heard whether it
//! still stands takes no more.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use readmill_core::Record;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::feed::Feed;

/// Longer than any process runs.
const ALWAYS: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Whether the workers of a model may take records in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Leave {
    term: watch::Receiver<Term>,
}

/// For how long there is leave.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    /// Until when; none if not at all.
    until: Option<Instant>,
    /// How often it had run out by itself before it was given again, or taken back.
    lapses: u64,
}

/// What comes of wanting to take.
#[derive(Debug)]
pub enum Take {
    /// The next records; none when the feed has ended or is closing.
    Next(Option<Vec<Record>>),
    /// Whether there is leave has changed.
    Changed,
}

/// Whoever gives leave.
#[derive(Debug)]
pub struct GivesLeave {
    term: watch::Sender<Term>,
}

impl Leave {
    /// It always stands.
    pub fn always() -> Self {
        let until = Some(Instant::now() + ALWAYS);
        Self { term: watch::channel(Term { until, lapses: 0 }).1 }
    }

    /// It does not stand until it is given.
    pub fn given_by_another() -> (GivesLeave, Self) {
        let (sender, term) = watch::channel(Term::default());
        (GivesLeave { term: sender }, Self { term })
    }

    /// Whether it stands now.
    pub fn is_given(&self) -> bool {
        self.term.borrow().stands()
    }

    /// Without it: waits until it is given, or the feed is closing.
    pub async fn wait(&self, feed: &mut Feed) -> Take {
        let (mut term, mut closing) = (self.term.clone(), feed.closing());
        while !term.borrow_and_update().stands() {
            let is_closing = tokio::select! {
                biased; // so that a simulation can be repeated
                Ok(_) = closing.wait_for(|closing| *closing) => true,
                () = changed(&mut term) => false,
            };
            if is_closing {
                return Take::Next(feed.next(1).await);
            }
        }
        Take::Changed
    }

    /// With it: the next records of a feed, taken only while it stands. Answers as well when it
    /// stands no more.
    pub async fn take(&self, feed: &mut Feed, limit: usize) -> Take {
        let mut next = pin!(feed.next(limit));
        // Whoever was frozen is woken by what came long ago, before any timer says how late it is:
        // so the time is looked at whenever records could be taken.
        let guarded =
            poll_fn(
                |context| {
                    if self.is_given() { next.as_mut().poll(context) } else { Poll::Pending }
                },
            );
        tokio::select! {
            biased; // so that a simulation can be repeated
            () = self.lost() => Take::Changed,
            records = guarded => Take::Next(records),
        }
    }

    /// Until it stands no more.
    async fn lost(&self) {
        let mut term = self.term.clone();
        loop {
            let now = *term.borrow_and_update();
            if !now.stands() {
                return;
            }
            let over = async {
                match now.until {
                    Some(end) => sleep_until(end).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = over => {}
                () = changed(&mut term) => {}
            }
        }
    }

    /// How often it has run out by itself. Whoever has it now, and counts no more than when it took
    /// something in, has heard all the while whatever had to be heard.
    pub fn lapses(&self) -> u64 {
        self.term.borrow().lapses_by_now()
    }

    /// Waits, if it has run out by itself, until it is given again or taken back.
    pub async fn renewed(&self) {
        let mut term = self.term.clone();
        while term.borrow_and_update().has_run_out() {
            changed(&mut term).await;
        }
    }
}

impl GivesLeave {
    /// It stands for so long from now on.
    pub fn give(&self, life: Duration) {
        let until = Some(Instant::now() + life);
        self.term.send_modify(|term| *term = Term { until, lapses: term.lapses_by_now() });
    }

    /// It stands no more.
    pub fn take_back(&self) {
        self.term.send_modify(|term| *term = Term { until: None, lapses: term.lapses_by_now() });
    }
}

impl Term {
    fn stands(self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    fn has_run_out(self) -> bool {
        self.until.is_some() && !self.stands()
    }

    fn lapses_by_now(self) -> u64 {
        self.lapses + u64::from(self.has_run_out())
    }
}

/// Until something else is said; for ever if nobody is there to say it.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Partition, Position};
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::feed::{FeedLine, feed};

    const LIFE: Duration = Duration::from_secs(5);
    const MOMENT: Duration = Duration::from_millis(1);

    fn taken(take: Take) -> Option<usize> {
        if let Take::Next(records) = take { records.map(|records| records.len()) } else { None }
    }

    async fn one_more(line: &FeedLine) {
        let partition = Partition::new("t", 0);
        let record = Record::at(Position { partition, offset: Offset(0) });
        line.batches.send(vec![record]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_leave_nothing_is_taken_and_nothing_is_lost() {
        let (line, mut feed) = feed(Partition::new("t", 0), 4);
        let (gives, leave) = Leave::given_by_another();
        one_more(&line).await;
        for _ in 0..2 {
            assert!(matches!(leave.take(&mut feed, 10).await, Take::Changed));
            assert!(timeout(MOMENT, leave.wait(&mut feed)).await.is_err());
            gives.give(LIFE);
            assert!(matches!(leave.wait(&mut feed).await, Take::Changed));
            gives.take_back();
        }
        gives.give(LIFE);
        assert_eq!(taken(leave.take(&mut feed, 10).await), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn leave_ends_by_itself_even_for_whoever_is_woken_by_a_record() {
        let (line, mut feed) = feed(Partition::new("t", 0), 4);
        let (gives, leave) = Leave::given_by_another();
        gives.give(LIFE);
        {
            let mut taking = pin!(leave.take(&mut feed, 10));
            assert!(timeout(MOMENT, &mut taking).await.is_err(), "there is nothing to take");
            one_more(&line).await;
            // As one that is frozen now, and woken later.
            advance(LIFE).await;
            let woken = timeout(MOMENT, &mut taking).await;
            assert!(matches!(woken, Ok(Take::Changed)), "it has no leave any more");
        }
        gives.give(LIFE);
        assert_eq!(taken(leave.take(&mut feed, 10).await), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_when_it_changes() {
        let (_line, mut feed) = feed(Partition::new("t", 0), 4);
        let (gives, leave) = Leave::given_by_another();
        gives.give(LIFE);
        let mut taking = pin!(leave.take(&mut feed, 10));
        assert!(timeout(MOMENT, &mut taking).await.is_err());
        gives.take_back();
        assert!(matches!(taking.await, Take::Changed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_is_closed_ends_without_leave() {
        let (line, mut feed) = feed(Partition::new("t", 0), 4);
        let (_gives, leave) = Leave::given_by_another();
        {
            let mut waiting = pin!(leave.wait(&mut feed));
            assert!(timeout(MOMENT, &mut waiting).await.is_err());
            line.close();
            assert!(matches!(waiting.await, Take::Next(None)));
        }
        assert!(feed.has_ended());
    }

    #[tokio::test(start_paused = true)]
    async fn leave_that_nobody_gives_is_always_there() {
        let (line, mut feed) = feed(Partition::new("t", 0), 4);
        let leave = Leave::always();
        one_more(&line).await;
        advance(Duration::from_secs(1_000_000)).await;
        assert_eq!(taken(leave.take(&mut feed, 10).await), Some(1));
    }
}
