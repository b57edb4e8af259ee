//! The live view: looks, keys, and changes of size, until it is enough.

use std::time::Instant;

use anyhow::{Context as _, Error, Result};
use readmill_connectors::address;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::ask::Asker;
use super::draw::{Scene, screen};
use super::keys::Key;
use super::terminal::{Terminal, keys};
use super::view::{View, Wish};
use super::watch::{Look, Watch};
use crate::cli::TopArgs;
use crate::exit::{Exit, in_short};

/// What happens.
enum Happening {
    /// The instance was looked at.
    Looked(Box<Result<Look>>),
    /// Keys were pressed; none any more if the terminal has gone.
    Pressed(Option<Vec<Key>>),
    /// The screen has another size.
    Resized,
    /// A second has passed.
    Tick,
    /// This process is to end.
    Stopped,
}

/// Shows it until a person, or a signal, ends it.
///
/// # Errors
/// When the instance does not answer at first, or refuses; or when there is no terminal.
pub async fn live(mut asker: Asker, args: &TopArgs) -> Result<Exit> {
    // What is wrong with the address or the token is told before the screen is taken.
    let first = asker.look(None).await?;
    let mut stage = Stage::new(args, first)?;
    let (pause, paused) = tokio::sync::watch::channel(false);
    let (busy, asked) = tokio::sync::watch::channel(stage.watch.busy());
    let (looked, mut looks) = mpsc::channel(1);
    let every = args.every;
    let asking = async move {
        let mut beats = interval(every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.tick().await;
        loop {
            beats.tick().await;
            if *paused.borrow() {
                continue;
            }
            let busy = asked.borrow().clone();
            if looked.send(asker.look(Some(&busy)).await).await.is_err() {
                return;
            }
        }
    };
    tokio::spawn(asking);
    let mut world = World::new()?;
    loop {
        stage.draw();
        let happening = tokio::select! {
            Some(look) = looks.recv() => Happening::Looked(Box::new(look)),
            happening = world.next() => happening,
        };
        match happening {
            Happening::Looked(look) => {
                stage.take(*look);
                // Whoever asks may have ended: then nobody needs to know.
                let _ = busy.send(stage.watch.busy());
            }
            Happening::Pressed(None) | Happening::Stopped => return Ok(Exit::Done),
            Happening::Pressed(Some(keys)) => {
                if stage.press(keys) == Wish::Quit {
                    return Ok(Exit::Done);
                }
                let _ = pause.send(stage.view.is_paused);
            }
            Happening::Resized => stage.terminal.forget(),
            Happening::Tick => {}
        }
    }
}

/// What comes from outside, but for the instance.
struct World {
    keys: mpsc::Receiver<Vec<Key>>,
    resized: Signal,
    stops: [Signal; 3],
    seconds: tokio::time::Interval,
}

impl World {
    fn new() -> Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be listened to");
        let mut seconds = interval(std::time::Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stops = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = stops.map(on);
        Ok(Self {
            keys: keys(),
            resized: on(SignalKind::window_change())?,
            stops: [interrupt?, terminate?, hangup?],
            seconds,
        })
    }

    async fn next(&mut self) -> Happening {
        let [interrupt, terminate, hangup] = &mut self.stops;
        tokio::select! {
            keys = self.keys.recv() => Happening::Pressed(keys),
            _ = self.resized.recv() => Happening::Resized,
            _ = interrupt.recv() => Happening::Stopped,
            _ = terminate.recv() => Happening::Stopped,
            _ = hangup.recv() => Happening::Stopped,
            _ = self.seconds.tick() => Happening::Tick,
        }
    }
}

/// What is shown, and where.
struct Stage {
    terminal: Terminal,
    scene: Scene,
    watch: Watch,
    view: View,
    /// Since when it has not answered, and why.
    silent: Option<(Instant, String)>,
}

impl Stage {
    fn new(args: &TopArgs, first: Look) -> Result<Self> {
        let instance = address::told(&args.of.instance);
        let scene = Scene { instance, every_seconds: args.every.as_secs_f64(), ..Scene::default() };
        let (watch, view) = (Watch::default(), View::default());
        let mut stage = Self { terminal: Terminal::take()?, scene, watch, view, silent: None };
        stage.take(Ok(first));
        Ok(stage)
    }

    fn take(&mut self, look: Result<Look, Error>) {
        match look {
            Ok(look) => {
                self.silent = None;
                self.watch.take(look, Instant::now());
                self.scene.shown = self.watch.shown(&self.scene.instance);
            }
            Err(error) => {
                let since = self.silent.take().map_or_else(Instant::now, |(since, _)| since);
                self.silent = Some((since, in_short(&error).0));
            }
        }
    }

    fn press(&mut self, keys: Vec<Key>) -> Wish {
        let mut wish = Wish::Show;
        for key in keys {
            match self.view.press(key) {
                Wish::Quit => return Wish::Quit,
                Wish::Redraw => {
                    self.terminal.forget();
                    wish = Wish::Redraw;
                }
                Wish::Show => {}
            }
        }
        wish
    }

    fn draw(&mut self) {
        let silent = self.silent.as_ref();
        self.scene.silent = silent.map(|(since, why)| (why.clone(), since.elapsed().as_secs()));
        let (lines, most) = screen(&self.scene, &self.view, Terminal::size());
        self.view.scroll = self.view.scroll.min(most);
        self.terminal.draw(&lines);
    }
}
