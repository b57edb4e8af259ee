//! A link that the test owns: it can be cut without closing it, slowed, broken off, and mended.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(20);

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Clear,
    /// Nothing passes, and nobody is told.
    Cut,
    /// What is asked arrives, and no answer comes back.
    Deaf,
    /// Everything passes so many milliseconds late.
    Slow(u64),
}

/// A proxy before one service.
#[derive(Debug)]
pub struct Link {
    /// Where to connect instead.
    pub address: SocketAddr,
    sky: Arc<Sky>,
}

#[derive(Debug, Default)]
struct Sky {
    weather: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

const CUT: u64 = u64::MAX;
const DEAF: u64 = u64::MAX - 1;

impl Link {
    /// A link to `upstream`, a `host:port`; nobody needs to be there yet.
    pub fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sky, upstream) = (Arc::new(Sky::default()), upstream.to_owned());
        let above = Arc::clone(&sky);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                above.join(client, server);
            }
        });
        Self { address, sky }
    }

    /// From now on the link is like this; what was kept back passes as soon as it may.
    pub fn be(&self, weather: Weather) {
        let weather = match weather {
            Weather::Clear => 0,
            Weather::Cut => CUT,
            Weather::Deaf => DEAF,
            Weather::Slow(ms) => ms,
        };
        self.sky.weather.store(weather, Ordering::SeqCst);
    }

    /// From now on nothing passes, and nobody is told.
    pub fn cut(&self) {
        self.be(Weather::Cut);
    }

    /// What was kept back passes again.
    pub fn mend(&self) {
        self.be(Weather::Clear);
    }

    /// Breaks off every connection that there is; new ones may be made.
    pub fn close(&self) {
        for stream in self.sky.open.lock().unwrap().drain(..) {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Sky {
    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        self.open.lock().unwrap().retain(|stream| stream.peer_addr().is_ok());
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || there.pass(from, to, &[CUT]));
        std::thread::spawn(move || back.pass(server, client, &[CUT, DEAF]));
    }

    /// Passes bytes on, unless one of `barriers` is up, until either side ends; then both do.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, barriers: &[u64]) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let now = || self.weather.load(Ordering::SeqCst);
            while barriers.contains(&now()) {
                std::thread::sleep(LOOK);
            }
            std::thread::sleep(Duration::from_millis(if now() >= DEAF { 0 } else { now() }));
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
