//! The keys that tell readers which generation is live: of a model's documents, and of its mirror.

use readmill_engine::Fault;

use super::connect::Redis;
use super::faults::damaged;
use super::plan::Naming;

impl Redis {
    /// Lets `<prefix><model>.live` say what the keys of one generation's documents begin with.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn point(&self, model: &str, generation: u32) -> Result<(), Fault> {
        let head = Naming::new(&self.config().prefix, model, generation).generation();
        self.tell_live(model, &head).await
    }

    /// Lets `<prefix><mirror>.live` say what the keys of one mirror begin with.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn point_mirror(&self, mirror: &str, present: &str) -> Result<(), Fault> {
        let head = format!("{}{present}", self.config().prefix);
        self.tell_live(mirror, &head).await
    }

    /// What such a key says; none if it was never told.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn pointed(&self, name: &str) -> Result<Option<String>, Fault> {
        let key = self.live_key(name);
        let answer = self.ask(redis::cmd("GET").arg(&key).clone()).await?;
        redis::from_redis_value(answer).map_err(|_| damaged(&key, "it is no text"))
    }

    async fn tell_live(&self, name: &str, head: &str) -> Result<(), Fault> {
        let mut command = redis::cmd("SET");
        command.arg(self.live_key(name)).arg(head);
        self.ask(command).await.map(drop)
    }

    fn live_key(&self, name: &str) -> String {
        format!("{}{name}.live", self.config().prefix)
    }
}
