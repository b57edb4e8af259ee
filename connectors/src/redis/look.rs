//! A look at the nodes of a Redis from outside: what they keep, drop and sync, and their time.

use readmill_core::Key;
use readmill_engine::Fault;

use super::connect::Redis;
use super::fleet::setting;
use super::plan::Naming;

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisLook {
    /// Its address.
    pub node: String,
    /// Its version.
    pub version: String,
    /// What it drops when its memory is full.
    pub policy: String,
    /// How many keys it has dropped for that since it was started.
    pub evicted: u64,
    /// How many bytes it uses, and how many it may; 0 is as many as there are.
    pub memory: (u64, u64),
    /// Whether it appends what it is told to a file.
    pub appends: bool,
    /// What failed of its last writes to disk, in its own words.
    pub unsaved: Vec<String>,
    /// How many replicas are in line, with all that it was told up to some seconds ago.
    pub replicas: usize,
    /// Replicas that are not in line, or are late: which, and how.
    pub late: Vec<String>,
    /// Its time, in milliseconds since 1970.
    pub now_ms: Option<i64>,
}

/// A replica that was not heard of for longer is late.
const LATE_SECONDS: u64 = 10;

impl Redis {
    /// Whether a document of that key stands there: nothing is made by asking.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn has(&self, model: &str, generation: u32, key: &str) -> Result<bool, Fault> {
        let naming = Naming::new(&self.config().prefix, model, generation);
        let mut command = redis::cmd("EXISTS");
        command.arg(naming.stored(&Key(key.to_owned())));
        let answer = self.ask(command).await?;
        Ok(redis::from_redis_value::<i64>(answer).is_ok_and(|found| found > 0))
    }

    /// Looks at every primary.
    ///
    /// # Errors
    /// When one does not answer or refuses.
    pub async fn look(&self) -> Result<Vec<RedisLook>, Fault> {
        let mut looks = Vec::new();
        for node in self.map().await?.nodes() {
            let answer = self.ask_node(&node, redis::cmd("INFO")).await?;
            let info: String = redis::from_redis_value(answer).unwrap_or_default();
            let mut look = read(&info);
            look.node = node.to_string();
            let time = self.ask_node(&node, redis::cmd("TIME")).await;
            let time = time.ok().and_then(|time| redis::from_redis_value::<(i64, i64)>(time).ok());
            look.now_ms = time.map(|(seconds, micros)| seconds * 1000 + micros / 1000);
            looks.push(look);
        }
        Ok(looks)
    }
}

fn read(info: &str) -> RedisLook {
    let text = |name| setting(info, name).unwrap_or_default().to_owned();
    let number = |name| setting(info, name).and_then(|n| n.parse().ok()).unwrap_or(0);
    let failing = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"];
    let failed = |name: &&str| setting(info, name).is_some_and(|status| status != "ok");
    let slaves: Vec<&str> = (0..number("connected_slaves"))
        .filter_map(|n| setting(info, &format!("slave{n}")))
        .collect();
    let (well, late): (Vec<&str>, Vec<&str>) = slaves.into_iter().partition(|line| is_well(line));
    RedisLook {
        node: String::new(),
        version: text("redis_version"),
        policy: text("maxmemory_policy"),
        evicted: number("evicted_keys"),
        memory: (number("used_memory"), number("maxmemory")),
        appends: setting(info, "aof_enabled") == Some("1"),
        unsaved: failing.into_iter().filter(failed).map(str::to_owned).collect(),
        replicas: well.len(),
        late: late.into_iter().map(replica).collect(),
        now_ms: None,
    }
}

/// Whether `ip=…,port=…,state=online,offset=…,lag=1` tells of a replica in line.
fn is_well(line: &str) -> bool {
    let lag = part(line, "lag").and_then(|lag| lag.parse::<u64>().ok());
    part(line, "state") == Some("online") && lag.is_some_and(|lag| lag <= LATE_SECONDS)
}

fn replica(line: &str) -> String {
    let part = |name| part(line, name).unwrap_or("?");
    format!("{}:{} {}, {} s late", part("ip"), part("port"), part("state"), part("lag"))
}

fn part<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_itself_is_understood() {
        let info = "redis_version:7.0.15\r\nused_memory:90\r\nmaxmemory:100\r\n\
                    maxmemory_policy:allkeys-lru\r\nevicted_keys:3\r\naof_enabled:1\r\n\
                    aof_last_write_status:err\r\nrdb_last_bgsave_status:ok\r\n\
                    connected_slaves:2\r\nslave0:ip=a,port=1,state=online,offset=5,lag=1\r\n\
                    slave1:ip=b,port=2,state=online,offset=5,lag=90\r\n";
        let look = read(info);
        assert_eq!((look.policy.as_str(), look.evicted), ("allkeys-lru", 3));
        assert_eq!((look.memory, look.appends), ((90, 100), true));
        assert_eq!(look.unsaved, ["aof_last_write_status"]);
        assert_eq!(look.replicas, 1);
        assert_eq!(look.late, ["b:2 online, 90 s late"]);
        assert_eq!(read("").policy, "");
    }
}
