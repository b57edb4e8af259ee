//! Several instances of the binary, each in a seat with links of its own, and what befalls them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use readmill_workload::Rng;

use super::stage::{KafkaLink, Service, Stage};
use crate::mill::Mill;
use crate::proxy::{Link, Weather};

/// How many seats there are.
pub const SEATS: usize = 4;
/// A member that is silent for so long loses its partitions.
pub const SESSION_TIMEOUT_MS: u64 = 1500;
/// An instance that ended by itself is started again, as a supervisor does.
const SUPERVISED: Duration = Duration::from_millis(500);

/// A place for an instance.
struct Seat {
    links: [Link; 4],
    configuration: String,
    mill: Option<Mill>,
    frozen: bool,
}

/// What is due at a time.
#[derive(Clone, Copy)]
enum Due {
    Thaw(usize),
    Mend(usize, Service),
    Start(usize),
}

/// The instances.
pub struct Fleet {
    seats: Vec<Seat>,
    due: Vec<(Instant, Due)>,
    dir: PathBuf,
    began: Instant,
    /// What happened, in its order.
    pub history: Vec<String>,
    /// How many instances ended by themselves.
    pub ended: u64,
}

impl Fleet {
    /// Empty seats.
    pub fn new(dir: &Path, stage: &Stage, kafka: [KafkaLink; SEATS]) -> Self {
        let dir = dir.join("instances");
        std::fs::create_dir(&dir).unwrap();
        let seats = kafka.into_iter().map(|kafka| Seat::new(stage, kafka.link)).collect();
        let (due, history) = (Vec::new(), Vec::new());
        Self { seats, due, dir, began: Instant::now(), history, ended: 0 }
    }

    /// Writes down what happens.
    pub fn note(&mut self, what: &str) {
        let line = format!("{:8.2} s  {what}", self.began.elapsed().as_secs_f64());
        println!("{line}");
        self.history.push(line);
    }

    /// Starts an instance in the first empty seat; answers which.
    pub fn add(&mut self) -> Option<usize> {
        let seat = self.seats.iter().position(|seat| seat.mill.is_none())?;
        self.start(seat);
        Some(seat)
    }

    fn start(&mut self, seat: usize) {
        let taken = &mut self.seats[seat];
        taken.mill = Some(Mill::start(&self.dir, &taken.configuration));
    }

    /// The seats that are taken.
    pub fn taken(&self) -> Vec<usize> {
        (0..SEATS).filter(|seat| self.seats[*seat].mill.is_some()).collect()
    }

    /// One of the seats that are taken and not frozen.
    pub fn any(&self, rng: &mut Rng) -> Option<usize> {
        let awake = |seat: &usize| !self.seats[*seat].frozen;
        let awake: Vec<usize> = self.taken().into_iter().filter(awake).collect();
        awake.get(rng.index(awake.len())).copied()
    }

    /// SIGKILL; another instance takes the seat.
    pub fn kill(&mut self, seat: usize) {
        if let Some(mill) = self.seats[seat].mill.take() {
            mill.kill();
        }
        self.start(seat);
    }

    /// SIGTERM; answers the exit code. Its links are mended before, so that it can end in order.
    /// One that could not begin, since a service was down, has ended before it is told to.
    pub fn stop(&mut self, seat: usize) -> Option<i32> {
        self.seats[seat].mend_all();
        let mut mill = self.seats[seat].mill.take()?;
        if let Some(status) = mill.ended() {
            self.ended += 1;
            self.note(&format!("the instance in seat {seat} had ended by itself: {status}"));
            return Some(0);
        }
        mill.stop()
    }

    /// SIGTERM; another instance takes the seat.
    pub fn replace(&mut self, seat: usize) -> Option<i32> {
        let code = self.stop(seat);
        self.start(seat);
        code
    }

    /// SIGSTOP, until so much later.
    pub fn freeze(&mut self, seat: usize, long: Duration) {
        if let Some(mill) = &self.seats[seat].mill {
            mill.signal("STOP");
            self.seats[seat].frozen = true;
            self.due.push((Instant::now() + long, Due::Thaw(seat)));
        }
    }

    /// A link is like this until so much later.
    pub fn cloud(&mut self, seat: usize, way: Service, weather: Weather, long: Duration) {
        self.seats[seat].link(way).be(weather);
        self.due.push((Instant::now() + long, Due::Mend(seat, way)));
    }

    /// Breaks the connections of a link off.
    pub fn close(&self, seat: usize, way: Service) {
        self.seats[seat].link(way).close();
    }

    /// Does what is due, and starts again what has ended by itself.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let (past, due) = std::mem::take(&mut self.due).into_iter().partition(|d| d.0 <= now);
        self.due = due;
        for (_, due) in past {
            match due {
                Due::Thaw(seat) => self.thaw(seat),
                Due::Mend(seat, way) => self.seats[seat].link(way).mend(),
                Due::Start(seat) if self.seats[seat].mill.is_none() => self.start(seat),
                Due::Start(_) => {}
            }
        }
        for seat in 0..SEATS {
            let ended = self.seats[seat].mill.as_mut().and_then(Mill::ended);
            if let Some(status) = ended {
                self.seats[seat].mill = None;
                self.ended += 1;
                self.note(&format!("the instance in seat {seat} ended by itself: {status}"));
                self.due.push((now + SUPERVISED, Due::Start(seat)));
            }
        }
    }

    fn thaw(&mut self, seat: usize) {
        if std::mem::take(&mut self.seats[seat].frozen)
            && let Some(mill) = &self.seats[seat].mill
        {
            mill.signal("CONT");
        }
    }

    /// Ends everything that lasts.
    pub fn heal(&mut self) {
        for seat in 0..SEATS {
            self.thaw(seat);
            self.seats[seat].mend_all();
        }
        self.due.retain(|(_, due)| matches!(due, Due::Start(_)));
        self.tick();
    }

    /// Keeps what the instances say of themselves beside their logs.
    pub fn ask_all(&self) {
        for (seat, mill) in self.mills().into_iter().enumerate() {
            for path in ["healthz", "metrics"] {
                let told = mill.ask(&format!("/{path}")).map_or_else(String::new, |told| told.1);
                let _ = std::fs::write(self.dir.join(format!("{seat}.{path}")), told);
            }
        }
    }

    /// The instances that answer.
    pub fn mills(&self) -> Vec<&Mill> {
        self.seats.iter().filter(|seat| !seat.frozen).filter_map(|s| s.mill.as_ref()).collect()
    }
}

impl Seat {
    fn new(stage: &Stage, kafka: Link) -> Self {
        let place = |name: &str| stage.address(name).split('/').nth(2).unwrap().to_owned();
        let [mongo, redis, registry] =
            ["MONGO_URI", "REDIS_URL", "REGISTRY_URL"].map(|name| Link::to(&place(name)));
        let links = [kafka, mongo, redis, registry];
        let configuration = configuration(&links.each_ref().map(|link| link.address.to_string()));
        Self { links, configuration, mill: None, frozen: false }
    }

    const fn link(&self, way: Service) -> &Link {
        let [kafka, mongo, redis, registry] = &self.links;
        match way {
            Service::Kafka => kafka,
            Service::Mongo => mongo,
            Service::Redis => redis,
            Service::Registry => registry,
        }
    }

    fn mend_all(&self) {
        self.links.iter().for_each(Link::mend);
    }
}

/// An instance's configuration: it gives up on silent services soon, so that a short fault is one.
fn configuration([kafka, mongo, redis, registry]: &[String; 4]) -> String {
    format!(
        r#"
[source]
kind = "kafka"

[kafka]
brokers = "{kafka}"
group_prefix = "kills"
session_timeout_ms = {SESSION_TIMEOUT_MS}
drain_limit_ms = 2000

[registry]
urls = ["http://{registry}/apis/ccompat/v7"]
request_limit_ms = 1000

[mongo]
uri = "mongodb://{mongo}/?directConnection=true"
database = "kills"
select_limit_ms = 1500
command_limit_ms = 1500

[redis]
uri = "redis://{redis}/"
prefix = "kills:"
connect_limit_ms = 1000
response_limit_ms = 1000

[models.points]
topics = ["kills.public.points_outbox"]
store = "mongo"
mirror = "redis"

[models.deliveries]
topics = [
    "kills.public.deliveries_outbox_a",
    "kills.public.deliveries_outbox_b",
    "kills.public.deliveries_outbox_c",
]
store = "redis"
reactions_topic = "kills.integrated"
"#
    )
}
